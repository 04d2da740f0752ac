# The environment of jobs at the site example-infiniband; hpcflow wrote this file when the job was submitted.
module load gcc/13.2 || return
module load python/3.11 || return
source /project/proj0042/hpcflow/.venv/bin/activate
HPCFLOW_PYTHON=(/opt/venv/bin/python)
HPCFLOW_SRUN=()
export GLOO_SOCKET_IFNAME=ib0 NCCL_SOCKET_IFNAME=ib0
source /opt/hpcflow/jobs/lib.sh
