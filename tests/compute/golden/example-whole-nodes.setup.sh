# The environment of jobs at the site example-whole-nodes; hpcflow wrote this file when the job was submitted.
source /global/common/p12345/hpcflow/bin/activate
HPCFLOW_PYTHON=(/opt/venv/bin/python)
HPCFLOW_SRUN=()
export GLOO_SOCKET_IFNAME=hsn0 NCCL_SOCKET_IFNAME=hsn0
source /opt/hpcflow/jobs/lib.sh
