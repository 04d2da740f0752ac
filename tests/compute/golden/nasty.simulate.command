sbatch
--parsable
--job-name=my.jobs-phangs-0c91874c-simulate
--dependency=singleton
--signal=B:USR1@120
--chdir=/home/ada
--output=/project/runs/phangs/logs/simulate.%j.out
--account=a; rm -rf ~
--qos=$(id)
--time=60
--comment=it's `odd`
--ntasks=1
--cpus-per-task=1
--mem=4096M
/opt/hpcflow/jobs/simulate.sbatch
/project/runs/phangs/logs/submitted/simulate/setup.sh
/project/runs/phangs/logs/submitted/simulate/config.yaml
--run
/project/runs/phangs
--site
/project/runs/phangs/logs/submitted/simulate/site.yaml
