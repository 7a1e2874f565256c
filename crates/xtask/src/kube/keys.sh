# shellcheck shell=bash
# Certificates and kubeconfigs: one authority for all.

# cert NAME SUBJECT [OTHER-NAMES]
cert() {
    local file=$PKI/$1
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -keyout "$file.key" -out "$file.csr" -subj "$2" 2>>"$LOG/openssl.log"
    openssl x509 -req -days 3650 -in "$file.csr" -out "$file.crt" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" \
        -CAcreateserial -extfile <(echo "extendedKeyUsage=serverAuth,clientAuth${3:+$'\n'subjectAltName=$3}") \
        2>>"$LOG/openssl.log"
}

# kubeconfig NAME SUBJECT: whole or not there.
kubeconfig() {
    local file=$STATE/$1.kubeconfig
    local -a config=(kubectl config --kubeconfig "$file.new")
    cert "$1" "$2"
    rm -f "$file.new"
    "${config[@]}" set-cluster slotwright --server "https://$(node_ip):$API" --certificate-authority "$PKI/ca.crt" --embed-certs
    "${config[@]}" set-credentials "$1" --client-certificate "$PKI/$1.crt" --client-key "$PKI/$1.key" --embed-certs
    "${config[@]}" set-context slotwright --cluster slotwright --user "$1"
    "${config[@]}" use-context slotwright
    mv "$file.new" "$file"
}

keys() {
    local service=kubernetes.default.svc
    [[ ! -e $KUBECONFIG ]] || return 0
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -keyout "$PKI/ca.key" -out "$PKI/ca.crt" -subj /CN=slotwright-kube 2>>"$LOG/openssl.log"
    openssl genrsa -out "$PKI/sa.key" 2048 2>>"$LOG/openssl.log"
    cert apiserver /CN=kube-apiserver "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:$service,\
DNS:$service.$DOMAIN,IP:127.0.0.1,IP:$(node_ip),IP:$(addresses).128.1"
    cert kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
    kubeconfig controller-manager /CN=system:kube-controller-manager
    kubeconfig scheduler /CN=system:kube-scheduler
    kubeconfig proxy /CN=system:kube-proxy
    kubeconfig kubelet "/O=system:nodes/CN=system:node:$NODE"
    kubeconfig admin /O=system:masters/CN=admin # last: it says that all are there
}
