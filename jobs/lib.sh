# shellcheck shell=bash
# What every job of hpcflow does around its command. The file that prepares a site's environment sources it.

# Run a command to its end. When the time limit is near, SLURM sends SIGUSR1: it is passed on, and once the command has
# stopped, the job goes back into the queue, from where its next start goes on. SIGTERM is for a job that is cancelled or
# preempted: SLURM sends it to every process itself, and does what follows.
to_the_end() {
    local pid='' code warned=''
    trap 'warned=yes; [[ ! $pid ]] || kill -USR1 "$pid"' USR1
    trap : TERM
    "$@" &
    pid=$!
    if [[ $warned ]]; then kill -USR1 "$pid"; fi # it came before there was anyone to pass it on to
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

# Run a command as all ranks of the allocation. This is rank 0's node: it says its address on the site's network, as names
# of nodes may stand for another.
ranks() {
    if [[ ${GLOO_SOCKET_IFNAME:-} ]]; then
        MASTER_ADDR=$("$HPCFLOW_PYTHON" -m hpcflow.compute.interface "$GLOO_SOCKET_IFNAME") || exit
        export MASTER_ADDR
    fi
    to_the_end srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 "$@"
}
