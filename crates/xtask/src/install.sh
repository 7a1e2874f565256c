#!/bin/sh
# Installs Debian packages without letting their services start now or at the next boot.
#
#     install.sh install ROOT "SERVICE.." PACKAGE..
#
# ROOT is / (tests use a folder). SERVICEs are those that the packages bring along. A service whose package was
# there before is left as it is, running or not, enabled or not.
#
# While packages are installed, policy-rc.d denies the start of these services. A guard in a session of its own
# takes that file away again and disables the services. It works when apt-get has ended in whatever way, because it
# reads from a pipe that apt-get holds open: neither Ctrl-C nor kill -9 of everything else makes it miss the end.

set -u
umask 022
LC_ALL=C
DEBIAN_FRONTEND=noninteractive
export LC_ALL DEBIAN_FRONTEND

MARK='Made by the Slotwright installer'

say() { printf '%s\n' "$*" >&2; }

# Whether a service starts at boot, by systemd's links or by the older ones.
starts_at_boot() {
    for link in "$root"/etc/rc[2345].d/S[0-9][0-9]"$1" "$root"/etc/systemd/system/*.wants/"$1".service; do
        [ -L "$link" ] && return 0
    done
    return 1
}

# Whether a service comes with this installation and belongs to nobody yet. A package that is half installed may be
# the rest of a killed run (nothing starts at boot) or of somebody's upgrade (something does).
is_new() {
    case $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) in
        '' | not-installed | config-files) return 0 ;;
        installed) return 1 ;;
        *) ! starts_at_boot "$1" ;;
    esac
}

# Succeeds when a policy-rc.d that is not ours denies the start of every service given.
denied_already() {
    for service in $1; do
        "$policy" "$service" start >/dev/null 2>&1
        [ $? -eq 101 ] || return 1
    done
}

write_policy() {
    # noclobber: a policy that appeared in the meantime is somebody else's.
    (
        set -C
        cat >"$policy" <<POLICY
#!/bin/sh
# $MARK, process $1; removed when that process ends, and without effect then.
grep -qs '$1' /proc/$2/cmdline || exit 0
for word; do
    for service in $3; do
        case "\$word" in "\$service" | "\$service.service") exit 101 ;; esac
    done
done
exit 0
POLICY
    ) && chmod 755 "$policy"
}

disable() {
    if command -v systemctl >/dev/null; then
        systemctl --quiet disable "$1.service" >/dev/null 2>&1
    else
        deb-systemd-helper disable "$1.service" >/dev/null 2>&1
        update-rc.d "$1" disable >/dev/null 2>&1
    fi
    if starts_at_boot "$1"; then
        say "warning: $1 could not be disabled and would start at boot; run: systemctl disable $1"
        return 1
    fi
}

# guard ROOT FOLDER "SERVICE..": waits for the end of the installation, then puts everything right.
guard() {
    root=${1%/} folder=$2 services=$3
    policy=$root/usr/sbin/policy-rc.d
    trap '' INT TERM HUP
    cat <"$folder/alive" >/dev/null
    # dpkg does not inherit the pipe and may outlive a killed apt-get for a moment: its lock tells.
    lock=$(stat -c %i "$root/var/lib/dpkg/lock" 2>/dev/null || echo none)
    tries=0
    while grep -qs ":$lock " /proc/locks && [ $tries -lt 300 ]; do
        sleep 0.2
        tries=$((tries + 1))
    done
    grep -qsF "$folder" "$policy" && rm -f "$policy"
    rm -rf "$folder"
    result=0
    for service in $services; do
        disable "$service" || result=1
    done
    return $result
}

update_lists() {
    say 'Reading the package lists (apt-get update)'
    # One broken third-party source must not stop the installation from the others.
    apt-get -qq -o DPkg::Lock::Timeout=120 update || say 'warning: apt-get update reported errors; going on'
}

lists_are_fresh() {
    lists=$root/var/lib/apt/lists
    ls "$lists"/*_Packages* >/dev/null 2>&1 || return 1
    [ -n "$(find "$lists" -maxdepth 1 \( -name '*Release' -o -path "$lists" \) -mtime -1 2>/dev/null)" ]
}

offered() {
    for package; do
        apt-cache policy "$package" | grep -q 'Candidate: [^(]' || return 1
    done
}

apt_install() {
    apt-get -qq install --yes --no-install-recommends --no-remove \
        -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@"
}

install() {
    root=${1%/} services=$2
    shift 2
    policy=$root/usr/sbin/policy-rc.d

    updated=no
    if ! lists_are_fresh || ! offered "$@"; then
        update_lists
        updated=yes
    fi
    for package; do
        if ! offered "$package"; then
            say "error: the package sources of this system do not offer $package"
            return 3
        fi
    done

    new=
    for service in $services; do
        is_new "$service" && new="$new$service "
    done
    write=no
    if [ -n "$new" ]; then
        if grep -qs "$MARK" "$policy"; then
            # Left behind by a power cut, or in use: in effect only as long as its guard lives.
            # shellcheck disable=SC2086
            if denied_already "$new"; then
                say "error: another installation is under way; try again when it has ended"
                return 4
            fi
            rm -f "$policy"
        fi
        if [ ! -e "$policy" ]; then
            write=yes
        elif ! denied_already "$new"; then
            say "error: $policy exists and lets services start; it is not ours to change."
            say "Install $* yourself (nothing of it needs to run), then try again"
            return 4
        fi
    fi

    folder=$(mktemp -d "${TMPDIR:-/tmp}/slotwright-install-XXXXXX") && mkfifo "$folder/alive" || return 1
    setsid sh "$0" guard "$root/" "$folder" "$new" &
    guard=$!
    # Waits until the guard reads.
    exec 4>"$folder/alive"
    if [ $write = yes ] && ! write_policy "$folder" "$guard" "$new"; then
        say "error: $policy cannot be written"
        exec 4>&-
        wait $guard
        return 1
    fi
    if [ -n "$(ls "$root/var/lib/dpkg/updates" 2>/dev/null)" ]; then
        # A dpkg that was killed leaves a journal, and apt-get refuses until dpkg has worked it in. Any change does
        # that, be it one that fails; naming our packages leaves those of others as they are.
        say 'An earlier installation was interrupted; letting dpkg recover'
        dpkg --configure "$@" >/dev/null 2>&1
    fi
    apt_install "$@"
    result=$?
    if [ $result -ne 0 ] && [ $updated = no ]; then
        # Lists that are younger than the last change of the archive name files that are no longer there.
        update_lists
        apt_install "$@"
        result=$?
    fi
    exec 4>&-
    wait $guard || result=1
    return $result
}

action=$1
shift
case $action in
    install | guard) "$action" "$@" ;;
    *) say "error: unknown action $action"; exit 2 ;;
esac
