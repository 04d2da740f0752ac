# The environment of jobs at the site example-cpu; hpcflow wrote this file when the job was submitted.
module load python/3.12 || return
source /home/astro/hpcflow/.venv/bin/activate
HPCFLOW_PYTHON=(/opt/venv/bin/python)
HPCFLOW_SRUN=(--mpi=none --cpu-bind=cores)
export GLOO_SOCKET_IFNAME=ib0 NCCL_SOCKET_IFNAME=ib0
source /opt/hpcflow/jobs/lib.sh
