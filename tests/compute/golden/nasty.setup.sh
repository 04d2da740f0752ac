# The environment of jobs at the site nasty; hpcflow wrote this file when the job was submitted.
module load gcc/13 || return
module load 'odd; name' || return
source '/with space/bin/activate'
export A=1
HPCFLOW_PYTHON=('/with space/$HOME/python')
HPCFLOW_SRUN=('--mpi=$(id)' '--comment=it'"'"'s odd')
export GLOO_SOCKET_IFNAME='ib0; true' NCCL_SOCKET_IFNAME='ib0; true'
source /opt/hpcflow/jobs/lib.sh
