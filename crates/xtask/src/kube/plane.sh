# shellcheck shell=bash
# The control plane: etcd, API server, controllers, scheduler. In the node's namespaces, so no port is anybody else's.

API=6443

control_plane() {
    local etcd=http://127.0.0.1:2379 peer=http://127.0.0.1:2380
    start etcd etcd --data-dir "$STATE/etcd" --log-level warn --name default \
        --listen-client-urls "$etcd" --advertise-client-urls "$etcd" --listen-peer-urls "$peer" \
        --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer"
    start kube-apiserver kube-apiserver --etcd-servers "$etcd" --bind-address "$(node_ip)" \
        --secure-port "$API" --service-cluster-ip-range "$(addresses).128.0/18" \
        --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged \
        --client-ca-file "$PKI/ca.crt" --tls-cert-file "$PKI/apiserver.crt" \
        --tls-private-key-file "$PKI/apiserver.key" --kubelet-client-key "$PKI/kubelet-client.key" \
        --kubelet-client-certificate "$PKI/kubelet-client.crt" --kubelet-preferred-address-types InternalIP \
        --service-account-issuer https://kubernetes.default.svc \
        --service-account-key-file "$PKI/sa.key" --service-account-signing-key-file "$PKI/sa.key"
    await kube-apiserver kubectl get --raw /readyz
    # No leader election, so as to start at once; and the hostPath provisioner for tests, so that claims are bound with
    # no CSI driver.
    start kube-controller-manager kube-controller-manager --leader-elect=false \
        --kubeconfig "$STATE/controller-manager.kubeconfig" --bind-address 127.0.0.1 \
        --port 0 --cert-dir "$PKI/controller-manager" \
        --use-service-account-credentials --service-account-private-key-file "$PKI/sa.key" \
        --root-ca-file "$PKI/ca.crt" --cluster-signing-cert-file "$PKI/ca.crt" \
        --cluster-signing-key-file "$PKI/ca.key" --enable-hostpath-provisioner \
        --pvclaimbinder-sync-period 1s --flex-volume-plugin-dir "$STATE/volume-plugins" --kube-api-qps 200 --kube-api-burst 400
    start kube-scheduler kube-scheduler --leader-elect=false --kubeconfig "$STATE/scheduler.kubeconfig" \
        --bind-address 127.0.0.1 --port 0 --cert-dir "$PKI/scheduler"
    kubectl apply -f - >/dev/null <<'END'
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/host-path
END
    # No pod is admitted before its namespace has its service account.
    await kube-controller-manager kubectl get serviceaccount default
}
