# shellcheck shell=bash
# Images, made from programs of Debian's packages: no registry is asked.

has_image() { [[ -n $(ctr_ images ls -q "name==$1") ]]; }

# What clusters are made of: the server and its client, with busybox for the shell, probes and hooks.
redis_image() {
    local version=${REDIS##*:} found
    has_image "docker.io/$REDIS" && return
    found=$(LD_LIBRARY_PATH=$TOOLS/usr/lib/x86_64-linux-gnu "$TOOLS/usr/bin/redis-server" --version)
    [[ $found == *" v=$version "* ]] || die "Debian's redis-server is not $version, which $REDIS is to be: $found"
    image "$REDIS" "$TOOLS/usr/bin/redis-server:/usr/bin/redis-server" "$TOOLS/usr/bin/redis-cli:/usr/bin/redis-cli"
}

# Makes an image in the form of `docker save` and imports it. It has users root, redis (999) and nobody, and starts as
# root when the pod says nothing else.
image() {
    local ref=${1:?image needs a name} t arg from dest lib digest entry='"/bin/sleep", "infinity"' first=yes
    shift
    alive containerd >/dev/null || die 'an image needs a running node: cargo xtask kube up'
    case $ref in
    */*/*) ;;
    */*) ref=docker.io/$ref ;;
    *) ref=docker.io/library/$ref ;;
    esac
    [[ ${ref##*/} == *:* ]] || die "$ref needs a tag: an image without one means the newest, which would be pulled"
    t=$(mktemp -d "$STATE/image.XXXXXX")
    mkdir -p "$t"/root/{bin,etc,tmp,data}
    chmod 755 "$t/root"
    chmod 1777 "$t/root/tmp" "$t/root/data"
    printf '%s\n' root:x:0:0:root:/:/bin/sh redis:x:999:999::/data:/bin/sh nobody:x:65534:65534::/:/bin/false >"$t/root/etc/passwd"
    printf '%s\n' root:x:0: redis:x:999: nogroup:x:65534: >"$t/root/etc/group"
    install "$TOOLS/usr/bin/busybox" "$t/root/bin/busybox"
    "$TOOLS/usr/bin/busybox" --list | grep -vx busybox | while read -r arg; do ln -s busybox "$t/root/bin/$arg"; done
    for arg; do
        if [[ $arg == +* ]]; then
            cp -a "${arg#+}/." "$t/root"
            continue
        fi
        from=${arg%%:*} dest=${arg#*:}
        [[ -x $from && $dest == /* ]] || die "$arg is neither a program with its whole path nor +FOLDER"
        [[ $first == no ]] || entry=\"$dest\" first=no
        install -D "$from" "$t/root$dest"
        { LD_LIBRARY_PATH=$TOOLS/usr/lib/x86_64-linux-gnu ldd "$from" 2>/dev/null || true; } |
            sed -nE 's#^(.*=> )?\s*(/[^ ]+) \(0x.*#\2#p' | while read -r lib; do
            install -D "$lib" "$t/root/lib/x86_64-linux-gnu/${lib##*/}"
        done
    done
    # The loader is asked for by its whole path.
    mkdir -p "$t/root/lib64"
    [[ ! -e $t/root/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 ]] ||
        ln -s /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$t/root/lib64/ld-linux-x86-64.so.2"
    tar -C "$t/root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$t/layer.tar" .
    digest=$(sha256sum <"$t/layer.tar")
    cat >"$t/config.json" <<END
{"architecture": "amd64", "os": "linux",
 "config": {"Env": ["PATH=/usr/bin:/bin"], "Entrypoint": [$entry]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:${digest%% *}"]}, "history": [{"created_by": "cargo xtask kube"}]}
END
    echo "[{\"Config\": \"config.json\", \"RepoTags\": [\"$ref\"], \"Layers\": [\"layer.tar\"]}]" >"$t/manifest.json"
    tar -C "$t" -c manifest.json config.json layer.tar | ctr_ images import --snapshotter "$(snapshotter)" - >/dev/null
    rm -rf "$t"
}
