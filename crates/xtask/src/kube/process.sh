# shellcheck shell=bash
# Processes of the cluster: started so that they are found again whenever whoever started them was killed.
#
# Every process carries the cluster's folder in its environment, from `up` itself on. A container's does not, and needs
# not: it ends with the first process of the node's PID namespace.

MARK=SLOTWRIGHT_KUBE_CLUSTER
PROCESSES=(node etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy dnsmasq dns-names)

# How to enter the node's namespaces; set when they are there.
ENTER=()

# One run at a time. The lock is on the folder, and goes with the process.
alone() {
    while :; do
        mkdir -p "$STATE"
        exec 9<&- 9<"$STATE" || continue
        if ! flock -n 9; then
            say 'another run is at work on this cluster; waiting for it'
            flock 9
        fi
        # A `down` that went before us removed the folder; ours has to be the one that is there now.
        [[ /proc/self/fd/9 -ef $STATE ]] && return
    done
}

marked() { grep -lzxsF "$MARK=$STATE" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 || true; }

# Prints the process id of a process that runs. An id counts only while its process carries the mark, so that one used
# again by something else is never taken for ours.
alive() {
    local pid
    pid=$(cat "$PID/$1" 2>/dev/null) && grep -qzxsF "$MARK=$STATE" "/proc/$pid/environ" && echo "$pid"
}

# A process that entered a namespace of process ids is the child of the one that we started.
inner() {
    local child=''
    if [[ $(cat "/proc/$1/comm") =~ ^(nsenter|unshare)$ ]]; then
        read -r child _ <"/proc/$1/task/$1/children" || true # the line has no end
    fi
    echo "${child:-$1}"
}

memory() { awk '/VmRSS/ {kib = $2} END {print int(kib / 1024)}' "/proc/$1/status"; }

# start NAME COMMAND..: what runs already is left as it is.
start() {
    local name=$1
    shift
    alive "$name" >/dev/null && return
    # Its folder tells whoever looks for forgotten processes that it is one. The id is written before the program runs.
    # shellcheck disable=SC2016 # for the inner shell
    (cd "$STATE" && exec env "$MARK=$STATE" setsid sh -c 'echo $$ >"$0.new" && mv "$0.new" "$0" && exec "$@"' "$PID/$name" \
        "${ENTER[@]}" "$@" </dev/null >>"$LOG/$name.log" 2>&1 9<&-) &
    for _ in {1..100}; do
        alive "$name" >/dev/null && return
        sleep 0.05
    done
}

# await NAME COMMAND..: until the command succeeds. A process that ended, or two minutes, are a failure.
await() {
    local name=$1
    shift
    for _ in {1..1200}; do
        "$@" >/dev/null 2>&1 && return
        alive "$name" >/dev/null || break
        sleep 0.1
    done
    # What a program of Kubernetes dies of stands before pages of what it was doing.
    grep -E -m 3 '^(F[0-9]{4} |panic:|fatal error:)' "$LOG/$name.log" >&2 || tail -n 20 "$LOG/$name.log" >&2
    if alive "$name" >/dev/null; then
        die "$name runs, but is not ready after two minutes; see above and in $LOG/$name.log"
    fi
    die "$name has ended; see above and in $LOG/$name.log"
}

# As a crash does: nothing of a cluster that goes is to be kept.
end_processes() {
    local pids
    for _ in {1..300}; do
        mapfile -t pids < <(marked)
        ((${#pids[@]})) || return 0
        kill -KILL "${pids[@]}" 2>/dev/null || true
        sleep 0.1
    done
    die "processes cannot be ended: ${pids[*]}; something in the kernel keeps them, see /proc/PID/stack"
}
