sbatch
--parsable
--job-name=my.jobs-phangs-0c91874c-report
--dependency=singleton,afterok:4711
--signal=B:USR1@120
--chdir=/home/ada
--output=/project/runs/phangs/logs/report.%j.out
--account=a; rm -rf ~
--qos=$(id)
--time=60
--comment=it's `odd`
--ntasks=1
--cpus-per-task=1
--mem=4096M
/opt/hpcflow/jobs/report.sbatch
/project/runs/phangs/logs/submitted/report/setup.sh
/project/runs/phangs/logs/submitted/report/config.yaml
--run
/project/runs/phangs
