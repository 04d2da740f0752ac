# shellcheck shell=bash
# Functions that every job of hpcflow uses to run its command. The file that prepares a site's environment sources this.

# Run a command to its end. When the time limit is near, SLURM sends SIGUSR1: it is passed on, and once the command has
# stopped, the job goes back into the queue and resumes at its next start. SIGTERM means that the job is cancelled or
# preempted: SLURM itself sends it to every process, and does the rest.
to_the_end() {
    local pid='' code warned='' lives=${HPCFLOW_LIVES:-/dev/null}
    trap 'warned=yes; [[ ! $pid ]] || kill -USR1 "$pid"' USR1
    trap : TERM
    # The command removes this file as soon as it has finished something.
    if [[ ${SLURM_RESTART_COUNT:-0} == 0 ]]; then : >"$lives"; else : >>"$lives"; fi
    "$@" &
    pid=$!
    if [[ $warned ]]; then kill -USR1 "$pid"; fi # it came before the command had started
    while kill -0 "$pid" 2>/dev/null; do wait "$pid"; done # signals interrupt the wait
    wait "$pid"
    code=$?
    # 0 means done; 2 (wrong input, a full disk) and 3 (a bug) would only happen again.
    if [[ ! $warned || $code == [023] ]]; then exit "$code"; fi
    in_vain "$lives"
    echo "hpcflow: the time limit is near; job $SLURM_JOB_ID goes back into the queue"
    for _ in 1 2 3 4 5; do
        scontrol requeue "$SLURM_JOB_ID" && break
        sleep 5
    done
    exit "$code"
}

# Count the lives of a job that ended before anything was finished, one line each, and end the job after three in a row.
in_vain() {
    if [[ ! -f $1 ]]; then return; fi
    echo "$SLURM_JOB_ID" >>"$1"
    if (($(wc -l <"$1") < 3)); then return; fi
    echo "hpcflow: three times in a row the time limit came before anything was finished, as $HPCFLOW_LIMIT in the site" \
        "file is too short for what has to be done first; raise it, then run the same command again"
    exit 2
}

# Run a command as all ranks of the allocation. This script runs on rank 0's node, and exports the node's address on the
# site's network, because node names may belong to another network.
ranks() {
    if [[ ${GLOO_SOCKET_IFNAME:-} ]]; then
        MASTER_ADDR=$("${HPCFLOW_PYTHON[@]}" -m hpcflow.compute.interface "$GLOO_SOCKET_IFNAME") || exit
        export MASTER_ADDR
    fi
    # Where sbatch is told to pass nothing on, srun would not pass on either what this script has exported.
    to_the_end srun --export=ALL --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 "${HPCFLOW_SRUN[@]}" "$@"
}
