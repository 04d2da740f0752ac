# shellcheck shell=bash
# What every job of hpcflow does around its command. The file that prepares a site's environment sources it.

# Run a command to its end. When the time limit is near, SLURM sends SIGUSR1: it is passed on, and once the command has
# stopped, the job goes back into the queue, from where its next start goes on. SIGTERM is for a job that is cancelled or
# preempted: SLURM sends it to every process itself, and does what follows.
to_the_end() {
    local pid code warned=
    trap 'warned=yes; kill -USR1 "$pid"' USR1
    trap : TERM
    "$@" &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do wait "$pid"; done # a signal ends a wait as well
    wait "$pid"
    code=$?
    # 0 is done; 2 and 3 would be the same again: a wrong input, a bug.
    if [[ ! $warned || $code == [023] ]]; then exit "$code"; fi
    echo "hpcflow: the time limit is near; job $SLURM_JOB_ID goes back into the queue"
    for _ in 1 2 3 4 5; do
        scontrol requeue "$SLURM_JOB_ID" && break
        sleep 5
    done
    exit "$code"
}

# In an allocation of several tasks, one of them is the scheduler, one the driver, and the others are workers.
driver() {
    if ((${SLURM_NTASKS:-1} > 1)); then
        to_the_end srun --kill-on-bad-exit=0 "$HPCFLOW_PYTHON" -m hpcflow "$@"
    else
        to_the_end "$HPCFLOW_PYTHON" -m hpcflow "$@"
    fi
}
