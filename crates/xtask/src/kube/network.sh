# shellcheck shell=bash
# The node's namespaces, and the one way between them and the machine: a pair of interfaces and a route.
#
# Addresses are a block A.B.0.0/16 that nothing on the machine uses: A.B.0.0/24 for pods, A.B.128.0/18 for services,
# A.B.255.0/30 for the way.

# Of this cluster alone, and the same each time.
TAG=$(printf %s "$STATE" | cksum | cut -d' ' -f1 | xargs printf %08x)
LINK=kube$TAG

addresses() { cat "$STATE/addresses"; }
node_ip() { echo "$(addresses).255.2"; }

# Reserves a block by routing it to our interface, which the kernel lets only one do.
reserve() {
    local block
    for block in 10.{244..200} 172.{31..16} 198.18 198.19; do
        # Neither a part of it nor what it is a part of, the default route aside.
        [[ -z $(ip -4 route show table all root "$block.0.0/16") ]] || continue
        ! ip -4 route show table all match "$block.0.0/16" | grep -qv '^default' || continue
        ip route add "$block.0.0/16" dev "$LINK" 2>/dev/null || continue
        echo "$block" >"$STATE/addresses"
        return
    done
    die "no block of addresses is free for pods: every one of 10.200-10.244, 172.16-172.31, 198.18 and 198.19 has a route; \
remove one (ip route)"
}

network_is_whole() { alive node >/dev/null && [[ -e $STATE/network ]]; }

network() {
    local node
    if network_is_whole; then
        enter
        return
    fi
    start node unshare -m -n -p --fork --kill-child --mount-proc bash "$HERE/cluster.sh" _node
    await node test -e "$STATE/node/ready"
    enter
    node=${ENTER[-2]}
    # Such as Debian's kernel has in modules that nobody asks for by themselves.
    [[ -e /proc/sys/net/bridge ]] || modprobe -q br_netfilter 2>/dev/null || true
    ip link delete "$LINK" 2>/dev/null || true
    ip link add "$LINK" type veth peer name eth0 netns "$node"
    ip link set "$LINK" up
    reserve
    ip addr add "$(addresses).255.1/30" dev "$LINK"
    "${ENTER[@]}" ip addr add "$(node_ip)/30" dev eth0
    "${ENTER[@]}" ip link set eth0 up
    "${ENTER[@]}" ip route add default via "$(addresses).255.1"
    ip route replace "$(addresses).0.0/16" via "$(node_ip)" dev "$LINK"
    touch "$STATE/network"
}

enter() { ENTER=(nsenter -m -n -p -t "$(inner "$(alive node)")" --); }

# The route goes with the interface.
network_remove() {
    for _ in {1..100}; do
        [[ -e /sys/class/net/$LINK ]] || return 0
        ip link delete "$LINK" 2>/dev/null || true
        sleep 0.1
    done
    die "the interface $LINK cannot be removed; see: ip link delete $LINK"
}

# The first process of the namespaces: it reaps, and all that runs in them ends with it.
node_init() {
    mount --make-rshared /
    cover
    cover_kernel
    ip link set lo up
    echo 1 >/proc/sys/net/ipv4/ip_forward
    touch "$STATE/node/ready"
    trap exit TERM
    while :; do sleep 3600 & wait $!; done
}

# Puts folders of the cluster in the place of those that kubelet, containerd and others write into whatever one tells
# them. Our own folders stay where they are, be they below those or not.
cover() {
    local folder n=0
    local -a kept=("$STATE" "$TOOLS" "$BUILT" "$HERE") covered=(/run /tmp /var/lib /var/log)
    for folder in "${covered[@]}"; do mkdir -p "$STATE/node$folder"; done
    chmod 1777 "$STATE/node/tmp"
    exec 3<"${kept[0]}" 4<"${kept[1]}" 5<"${kept[2]}" 6<"${kept[3]}"
    # Through open files: by their names they are hidden when the first is covered. -c, or mount would go by names.
    for folder in "${covered[@]}"; do mount -c --bind "/proc/self/fd/3/node$folder" "$folder"; done
    for folder in "${kept[@]}"; do
        mkdir -p "$folder"
        mount -c --bind "/proc/self/fd/$((3 + n))" "$folder"
        n=$((n + 1))
    done
    exec 3<&- 4<&- 5<&- 6<&-
}

# Settings of the kernel that kubelet makes as it wants them are the whole machine's: it gets copies to write to.
cover_kernel() {
    local setting copy
    for setting in vm/{overcommit_memory,panic_on_oom} kernel/{panic,panic_on_oops,keys/root_maxkeys,keys/root_maxbytes}; do
        copy=$STATE/node/sys/$setting
        mkdir -p "${copy%/*}"
        cat "/proc/sys/$setting" >"$copy"
        mount --bind "$copy" "/proc/sys/$setting"
    done
}
