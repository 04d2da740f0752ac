# What jobs find at the site devcluster; written by hpcflow when this one was submitted.
export HPCFLOW_PYTHON=/opt/venv/bin/python
export GLOO_SOCKET_IFNAME=lo NCCL_SOCKET_IFNAME=lo
source /opt/hpcflow/jobs/lib.sh
