#!/bin/sh
# Before the server is told to end: a primary hands its slots to a replica that is in step. pre-stop.sh SECONDS.
#
# Ends when there is nothing to hand over (any more), nobody to take it, or the time is up; always with success, because
# the pod ends all the same.
set -u
. "${0%/*}/common.sh"

end=$(($(date +%s) + ${1:-40}))

# To the container's log: nobody reads what a hook prints.
say() {
    printf 'slotwright: before the stop: %s\n' "$*" | { [ -z "${SLOTWRIGHT_LOG:-}" ] && cat || cat >"$SLOTWRIGHT_LOG"; } 2>/dev/null
}

left() {
    [ "$(date +%s)" -lt "$end" ]
}

# True when this node is a primary that owns slots.
owns_slots() {
    ask 5 'CLUSTER NODES' || return 1
    set -f
    IFS=$newline
    for line in $answer; do
        case $line in
            *myself,master*)
                unset IFS
                # id address flags primary ping pong epoch link slot…
                set -- ${line%"$return"}
                set +f
                [ $# -gt 8 ]
                return
                ;;
        esac
    done
    unset IFS
    set +f
    return 1
}

# Puts address and port of the replica that has most of the data into $host and $port; false when none is online.
best_replica() {
    host= port= best=-1
    set -f
    IFS=$newline
    for line in $answer; do
        line=${line%"$return"}
        case $line in
            slave[0-9]*:ip=*,state=online,offset=*)
                offset=${line#*,offset=}
                offset=${offset%%,*}
                if [ "$offset" -gt "$best" ]; then
                    best=$offset
                    host=${line#*:ip=}
                    host=${host%%,*}
                    port=${line#*,port=}
                    port=${port%%,*}
                fi
                ;;
        esac
    done
    unset IFS
    set +f
    [ -n "$host" ]
}

fail_over() {
    set -- -h "$host" -p "$port"
    if [ -n "$tls" ]; then
        set -- "$@" --tls --cacert "$tls/ca.crt" --cert "$tls/tls.crt" --key "$tls/tls.key"
    fi
    timeout 5 "$cli" "$@" CLUSTER FAILOVER 2>&1
}

asked=0
while left; do
    if ! owns_slots; then
        [ "$asked" -eq 0 ] || say "the slots are handed over"
        exit 0
    fi
    ask 5 'INFO replication' || exit 0
    field connected_slaves
    if [ "$value" = 0 ]; then
        say "no replica is connected, so nobody can take the slots"
        exit 0
    fi
    # The servers give a hand-over five seconds; asking again before would begin it anew.
    if [ "$(date +%s)" -ge "$asked" ] && best_replica; then
        say "asking $host:$port to take the slots: $(fail_over)"
        asked=$(($(date +%s) + 6))
    fi
    sleep 1
done
say "the time is up, and the slots are not handed over"
