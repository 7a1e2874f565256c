#!/usr/bin/env bash
# Builds the programs of Kubernetes from the source that Debian has.
#
#     build.sh TARBALL FOLDER VERSION PROGRAM..
#
# Works in FOLDER, puts the programs into FOLDER/bin, and expects Go in FOLDER/go. GOCACHE says where compiled packages
# are kept: a build that was killed goes on from there.
set -euo pipefail

tarball=$1 folder=$2 version=$3
shift 3
say() { printf '%s\n' "$*" >&2; }

# Kubernetes of this age builds in GOPATH mode, without the network, from the packages that come with it.
tree=$folder/gopath/src/k8s.io/kubernetes
export GOROOT=$folder/go/usr/lib/go-1.19 GOPATH=$folder/gopath GO111MODULE=off GOFLAGS='' CGO_ENABLED=0
export PATH=$GOROOT/bin:$PATH
mkdir -p "$tree" "$folder/bin"
tar -xzf "$tarball" -C "$tree" --strip-components=1
cd "$tree"

# 1.20.2 keeps a deleted Pod until its sandbox is collected, up to a minute late (kubernetes#97288); 1.20.3 took that
# back, and so do we.
pods=pkg/kubelet/kubelet_pods.go
sed -i 's/if len(runtimeStatus.SandboxStatuses) > 0 {/if false {/' $pods
grep -q 'if false {' $pods

# The hostPath provisioner for tests gives its folders to root alone, and the pods of a deployment are not root.
host_path=pkg/volume/hostpath/host_path.go
sed -i 's/return pv, os.MkdirAll(pv.Spec.HostPath.Path, 0750)/os.MkdirAll(pv.Spec.HostPath.Path, 0750); return pv, os.Chmod(pv.Spec.HostPath.Path, 0777)/' $host_path
grep -q '0777' $host_path

# The library under the JSON encoder calls a function of Go's runtime as it was before Go 1.18, which now and then ends a
# program that writes a map; its version 1.0.2 calls it as it is (modern-go/reflect2#22), and so do we.
reflect2=vendor/github.com/modern-go/reflect2
sed -i -e 's/^func mapiterinit(.*/func mapiterinit(rtype, m unsafe.Pointer, it *hiter)/' \
    -e 's#^.*rest fields are ignored.*#\t_ [4]unsafe.Pointer\n\t_ [2]*[]unsafe.Pointer\n\t_ uintptr\n\t_ [8]uint8\n\t_ [2]uintptr#' \
    $reflect2/unsafe_link.go
sed -i 's/mapiterinit(type2/newIteration(type2/' $reflect2/unsafe_map.go
cat >$reflect2/iteration.go <<'END'
package reflect2

import "unsafe"

func newIteration(rtype, m unsafe.Pointer) *hiter {
	it := new(hiter)
	mapiterinit(rtype, m, it)
	return it
}
END
grep -q 'uint8' $reflect2/unsafe_link.go && grep -q newIteration $reflect2/unsafe_map.go

say 'Generating the OpenAPI definitions, the one generated file that the source lacks'
go build -o "$folder/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
inputs=$(grep -rl --include='*.go' '^// *+k8s:openapi-gen=' pkg staging/src/k8s.io |
    grep -v -e /code-generator/ -e /sample-apiserver/ | xargs -n1 dirname | sort -u |
    sed -E 's#^staging/src/#vendor/#; s#^#k8s.io/kubernetes/#' | paste -sd,)
"$folder/openapi-gen" -i "$inputs" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
    -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$folder/violations.txt"

flags='-s -w'
IFS=. read -r major minor _ <<<"$version"
for package in component-base client-go/pkg; do
    package="-X k8s.io/kubernetes/vendor/k8s.io/$package/version"
    flags+=" $package.gitVersion=v$version $package.gitMajor=$major $package.gitMinor=$minor $package.gitTreeState=clean"
done
say "Building $*"
go build -tags providerless,dockerless -ldflags "$flags" -o "$folder/bin/" "${@/#/./cmd/}"
