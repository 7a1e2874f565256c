# shellcheck shell=bash
# Names of services and pods. Debian has no CoreDNS: dnsmasq answers from a file that we write whenever services change.
# There are A and PTR records, and no SRV.

dns() {
    touch "$STATE/dns/hosts"
    start dnsmasq dnsmasq --conf-file=/dev/null --keep-in-foreground --user=root --pid-file="$STATE/dns/pid" \
        --log-facility=- --bind-interfaces --listen-address="$(node_ip)" --no-hosts --no-resolv --address=/#/ \
        --addn-hosts="$STATE/dns/hosts"
    start dns-names bash "$HERE/cluster.sh" _dns
}

dns_follow() {
    local template
    # shellcheck disable=SC2016 # Go's, not the shell's
    template='{{range .items}}{{$n := printf "%s.%s.svc.'$DOMAIN'" .metadata.name .metadata.namespace}}
{{- if eq .kind "Service"}}{{if and .spec.clusterIP (ne .spec.clusterIP "None")}}{{.spec.clusterIP}} {{$n}}
{{end}}{{else}}{{$headless := false}}
{{- range $k, $v := .metadata.labels}}{{if eq $k "service.kubernetes.io/headless"}}{{$headless = true}}{{end}}{{end}}
{{- range .subsets}}{{range .addresses}}{{if .hostname}}{{.ip}} {{.hostname}}.{{$n}}
{{end}}{{if $headless}}{{.ip}} {{$n}}
{{end}}{{end}}{{end}}{{end}}{{end}}'
    # A watch ends now and then.
    while sleep 0.5; do
        kubectl get endpoints -A -o name --watch 2>/dev/null | while read -r _; do
            while read -r -t 0.05 _; do :; done # a burst of changes is one change
            kubectl get services,endpoints -A -o go-template="$template" >"$STATE/dns/new" || continue
            cmp -s "$STATE/dns/new" "$STATE/dns/hosts" && continue
            cat "$STATE/dns/new" >"$STATE/dns/hosts"
            kill -HUP "$(cat "$STATE/dns/pid")" # of our namespace, as we are
        done || true
    done
}
