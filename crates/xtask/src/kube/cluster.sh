#!/usr/bin/env bash
# A Kubernetes on this machine, in namespaces of its own: a control plane and a node in one. Programs are there already.
#
#     cluster.sh up                       start what is not running; prints the line that says where the kubeconfig is
#     cluster.sh down                     end all of it, in whatever state it is
#     cluster.sh status                   what runs; fails when not all does
#     cluster.sh image REF PROGRAM[:DEST].. [+FOLDER]..
#                                         put an image on the node: programs of this machine with their libraries (the
#                                         first is the entry point), files below folders, and busybox
#     cluster.sh exec COMMAND..           run a command with the cluster's kubectl, kubeconfig and names (DNS)
#
# Processes are in network, mount and PID namespaces that the machine reaches by one route. Nothing is on a port of the
# machine, in a folder of the system, or outlives the cluster but what is in $TOOLS and $BUILT.
#
# Environment: STATE, a folder that is this cluster's alone; TOOLS and BUILT, folders of programs; OWNER, the process
# that the cluster shall not outlive (optional); REDIS, the image to have in any case.
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
PKI=$STATE/pki LOG=$STATE/log PID=$STATE/pid
# shellcheck disable=SC2034 # for the parts
NODE=slotwright-node DOMAIN=cluster.local PAUSE=docker.io/slotwright/pause:1
export STATE TOOLS BUILT
export PATH=$TOOLS/wrapped:$BUILT:$PATH:/usr/sbin:/sbin
export KUBECONFIG=$STATE/admin.kubeconfig
USERS_HOME=${HOME:-/}
export HOME=$STATE # where kubectl keeps what it has learned

say() { printf 'kube: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

for part in process network keys plane node dns image; do
    # shellcheck source=/dev/null
    . "$HERE/$part.sh"
done

up() {
    alone
    if [[ ! -e $STATE/mark && -n $(ls -A "$STATE") ]]; then
        die "$STATE has other things in it than a cluster; move them away, or set SLOTWRIGHT_KUBE_STATE"
    fi
    if [[ -e $STATE/mark ]] && ! network_is_whole; then
        say "removing what is left of an earlier cluster in $STATE"
        clear_away
        alone
    fi
    # Says that the folder is ours to remove.
    touch "$STATE/mark"
    # From here on `down` finds us, and all that we start. The lock is an open file and stays with us.
    exec env "$MARK=$STATE" bash "$HERE/cluster.sh" _up
}

up_marked() {
    local name was=already
    mkdir -p "$PKI" "$LOG" "$PID"
    chmod 700 "$STATE"
    for name in "${PROCESSES[@]}"; do alive "$name" >/dev/null || was=now; done
    [[ $was == already ]] || say "starting a Kubernetes in $STATE"
    network
    keys >/dev/null
    control_plane
    node
    dns
    redis_image
    node_is_ready
    for name in "${PROCESSES[@]}"; do await "$name" alive "$name"; done
    # shellcheck disable=SC2034 # for `start`
    ENTER=()
    if [[ -n ${OWNER:-} ]]; then start owner bash "$HERE/cluster.sh" _owner; fi
    say "$was up: Kubernetes $(kube_version), node $NODE, image $REDIS"
    say "pods and services are reached from this machine by their addresses ($(addresses).0.0/16)"
    echo "export KUBECONFIG=$KUBECONFIG"
}

down() {
    if [[ ! -e $STATE/mark && -z $(marked) ]]; then
        say "no cluster is up in $STATE"
        return
    fi
    # First, so that an `up` that still works at it is no hindrance.
    end_processes
    alone
    clear_away
    say 'down: no process, namespace, route, control group or file of the cluster is left'
}

# Everything of this cluster on this machine. Only for who has the lock and no mark.
clear_away() {
    end_processes
    network_remove
    cgroups_remove
    if [[ -e $STATE/mark ]]; then
        rm -rf "$STATE"
    else
        rmdir "$STATE" 2>/dev/null || true
    fi
}

status() {
    local name pid missing=()
    for name in "${PROCESSES[@]}"; do
        if ! pid=$(alive "$name"); then
            missing+=("$name")
            continue
        fi
        printf '%-24s pid %-8s %5d MiB\n' "$name" "$(inner "$pid")" "$(memory "$(inner "$pid")")"
    done
    if [[ ${#missing[@]} == "${#PROCESSES[@]}" ]]; then
        say "no cluster is up in $STATE; run: cargo xtask kube up"
        return 1
    elif ((${#missing[@]})); then
        say "not running: ${missing[*]}; start again with: cargo xtask kube up"
        return 1
    fi
    kubectl get nodes
    ctr_ images ls -q | grep -v -e @ -e '^sha256:' -e "$PAUSE"
    echo "export KUBECONFIG=$KUBECONFIG"
}

kube_version() { kubectl get --raw /version | sed -n 's/.*"gitVersion": "\(.*\)".*/\1/p'; }

# Ends the cluster when the process that wanted it is gone. Not in the namespaces, where that is not seen.
owner() {
    while [[ -d /proc/$OWNER ]]; do sleep 1; done
    cd /
    exec env -u "$MARK" bash "$HERE/cluster.sh" down
}

# Not by `kubectl exec`: what runs is of this machine, and only names are resolved as in a pod.
run_in() {
    [[ -e $STATE/dns/resolv.conf ]] || die "no cluster is up in $STATE; run: cargo xtask kube up"
    export HOME=$USERS_HOME
    # shellcheck disable=SC2016 # for the inner shell
    exec unshare -m sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$STATE/dns/resolv.conf" "$@"
}

case ${1:-} in
up | down | status | image) "$@" ;;
exec)
    shift
    run_in "$@"
    ;;
_up) up_marked ;;
_node) node_init ;;
_dns) dns_follow ;;
_owner) owner ;;
*)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
