#!/bin/sh
# Answers the kubelet: probe.sh startup|ready|live SECONDS.
#
# startup: the server has loaded its data. Until then nothing else is asked of it, so that a long load is not cut short.
# ready:   clients may come: it is loaded, sees the cluster whole, and a replica is in step with its primary.
# live:    the server still answers, be it with an error. Loading, out of step or without a cluster is not dead.
set -u
. "${0%/*}/common.sh"

no() {
    printf '%s\n' "$*"
    exit 1
}

loaded() {
    field loading
    case $value in
        0) ;;
        1) no "loads its data" ;;
        *) no "does not tell its state: ${answer%%"$newline"*}" ;;
    esac
}

seconds=${2:-5}
case ${1:-} in
    startup)
        ask "$seconds" 'INFO persistence' || no "does not answer"
        loaded
        ;;
    ready)
        ask "$seconds" 'INFO persistence' 'INFO replication' 'CLUSTER INFO' || no "does not answer"
        loaded
        field cluster_state
        [ "$value" = ok ] || no "sees the cluster as not whole (cluster_state:$value)"
        field role
        [ "$value" = slave ] || exit 0
        field master_link_status
        [ "$value" = up ] || no "is a replica without a link to its primary"
        field master_sync_in_progress
        [ "$value" = 0 ] || no "is a replica whose first copy is not complete"
        # Bytes received and not yet executed (7.0 and later).
        field slave_read_repl_offset
        received=$value
        field slave_repl_offset
        lag=$((${received:-$value} - value))
        [ "$lag" -le "${SLOTWRIGHT_LAG:-1048576}" ] || no "is a replica $lag bytes behind"
        ;;
    live)
        # Whatever it says: one that has all the clients it may have just closes the connection.
        ask "$seconds" 'PING' || no "does not answer"
        ;;
    *) no "usage: probe.sh startup|ready|live SECONDS" ;;
esac
