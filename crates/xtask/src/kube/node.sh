# shellcheck shell=bash
# The node: containerd, kubelet, kube-proxy.

CGROUP=slotwright-kube-$TAG

ctr_() { ctr --address "$STATE/containerd.sock" --namespace k8s.io "$@"; }

# Where the folder is on overlayfs, as in a container, another cannot be.
snapshotter() { [[ $(stat -f -c %T "$STATE") == overlayfs ]] && echo native || echo overlayfs; }

node() {
    local folder
    for folder in /sys/fs/cgroup /sys/fs/cgroup/*/; do
        [[ ! -e $folder/cgroup.procs ]] || mkdir -p "$folder/$CGROUP"
    done
    mkdir -p "$STATE/cni" "$STATE/dns"
    printf '%s\n' "nameserver $(node_ip)" "search default.svc.$DOMAIN svc.$DOMAIN $DOMAIN" 'options ndots:5' \
        >"$STATE/dns/resolv.conf"
    node_config
    start containerd containerd --config "$STATE/containerd.toml"
    await containerd ctr_ version
    has_image "$PAUSE" || image "$PAUSE"
    # The AWS credential provider in it would wait for a metadata service.
    start kubelet env AWS_EC2_METADATA_DISABLED=true kubelet --config "$STATE/kubelet.yaml" \
        --kubeconfig "$STATE/kubelet.kubeconfig" --root-dir "$STATE/kubelet" --cert-dir "$PKI/kubelet" \
        --hostname-override "$NODE" --node-ip "$(node_ip)" --container-runtime remote \
        --container-runtime-endpoint "unix://$STATE/containerd.sock"
    start kube-proxy kube-proxy --kubeconfig "$STATE/proxy.kubeconfig" --hostname-override "$NODE" \
        --proxy-mode iptables --cluster-cidr "$(addresses).0.0/24" --bind-address "$(node_ip)" \
        --iptables-min-sync-period 100ms --healthz-bind-address "$(node_ip):10256" --metrics-bind-address 127.0.0.1:10249 \
        --conntrack-max-per-core 0 --conntrack-tcp-timeout-established 0 --conntrack-tcp-timeout-close-wait 0
}

node_is_ready() {
    await kubelet kubectl wait --for condition=Ready "node/$NODE" --timeout 0
    await kube-proxy rules_are_set
}

# Its first act is the rule of the API server's own service.
rules_are_set() { "${ENTER[@]}" iptables-save -t nat | grep -q "$(addresses).128.1/32"; }

node_config() {
    cat >"$STATE/cni/slotwright.conflist" <<END
{"cniVersion": "0.4.0", "name": "slotwright", "plugins": [
  {"type": "bridge", "bridge": "pods0", "isGateway": true, "hairpinMode": true, "ipam": {
    "type": "host-local", "ranges": [[{"subnet": "$(addresses).0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
END
    cat >"$STATE/containerd.toml" <<END
version = 2
root = "$STATE/containerd/root"
state = "$STATE/containerd/state"
[grpc]
  address = "$STATE/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$STATE/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE"
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = true # a sandbox may lack CAP_SYS_RESOURCE
  containerd.snapshotter = "$(snapshotter)"
  cni = {bin_dir = "$TOOLS/usr/lib/cni", conf_dir = "$STATE/cni"}
END
    cat >"$STATE/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $(node_ip)
authentication: {x509: {clientCAFile: $PKI/ca.crt}, webhook: {enabled: true}, anonymous: {enabled: false}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
clusterDNS: [$(node_ip)]
clusterDomain: $DOMAIN
resolvConf: $STATE/dns/resolv.conf
enforceNodeAllocatable: []
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
failSwapOn: false
imageGCHighThresholdPercent: 100
kubeAPIQPS: 100
kubeAPIBurst: 200
nodeStatusUpdateFrequency: 2s
oomScoreAdj: 0
volumePluginDir: $STATE/volume-plugins
END
}

# Control groups are folders that go when they are empty, which takes ended processes a moment.
cgroups_remove() {
    for _ in {1..100}; do
        find /sys/fs/cgroup -depth -type d -path "*/$CGROUP*" -exec rmdir {} + 2>/dev/null || true
        [[ -n $(find /sys/fs/cgroup -maxdepth 2 -name "$CGROUP" -print -quit) ]] || return 0
        sleep 0.1
    done
    die "control groups cannot be removed: /sys/fs/cgroup/*/$CGROUP; a process is still in one, see cgroup.procs there"
}
