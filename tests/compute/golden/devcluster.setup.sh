# The environment of jobs at the site devcluster; hpcflow wrote this file when the job was submitted.
HPCFLOW_PYTHON=(/opt/venv/bin/python)
HPCFLOW_SRUN=()
export GLOO_SOCKET_IFNAME=lo NCCL_SOCKET_IFNAME=lo
source /opt/hpcflow/jobs/lib.sh
