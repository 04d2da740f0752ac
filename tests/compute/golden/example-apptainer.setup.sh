# The environment of jobs at the site example-apptainer; hpcflow wrote this file when the job was submitted.
module load apptainer || return
HPCFLOW_PYTHON=(apptainer exec --nv --bind=/usr/bin/sbatch,/usr/bin/squeue,/usr/bin/scancel,/usr/bin/scontrol,/usr/bin/sacct,/usr/lib64/slurm --bind=/etc/slurm,/run/munge,/etc/passwd,/project /project/proj_0815/hpcflow.sif python3)
HPCFLOW_SRUN=(--mpi=none --gpus-per-task=1)
export GLOO_SOCKET_IFNAME=hsn0 NCCL_SOCKET_IFNAME=hsn0
source /opt/hpcflow/jobs/lib.sh
