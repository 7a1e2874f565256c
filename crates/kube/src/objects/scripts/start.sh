#!/bin/sh
# Starts the server of this node, as the container's first process.
#
# The volume must be this node's: its stamp says so, and an empty one gets it. The configuration is written anew at each
# start, because the address is another at each start; to a place where CONFIG REWRITE can write.
set -eu
umask 077
. "${0%/*}/common.sh"

data=${SLOTWRIGHT_DATA:-/var/lib/redis}
config=${SLOTWRIGHT_CONFIG:-/etc/redis/redis.conf}

refuse() {
    printf 'slotwright: %s\n' "$*" >&2
    exit 1
}

# --- Whose data is this?

case ${SLOTWRIGHT_DEPLOYMENT_ID:-} in
    "" | *[!0-9a-f]*) refuse "the deployment id in the secret is missing or not 32 hexadecimal digits" ;;
esac
[ "${#SLOTWRIGHT_DEPLOYMENT_ID}" -eq 32 ] || refuse "the deployment id in the secret is not 32 hexadecimal digits"

# Byte for byte what the deployer writes beside the data of a local node.
stamp="{
  \"deployment\": \"$SLOTWRIGHT_DEPLOYMENT_ID\",
  \"name\": \"$SLOTWRIGHT_DEPLOYMENT\",
  \"node\": \"$SLOTWRIGHT_NODE\"
}"
if [ -e "$data/slotwright.json" ]; then
    found=$(cat "$data/slotwright.json") || refuse "cannot read $data/slotwright.json"
    case $found in
        "$stamp") ;;
        *"\"name\": \"$SLOTWRIGHT_DEPLOYMENT\","*"\"node\": \"$SLOTWRIGHT_NODE\""*)
            refuse "the volume at $data belongs to this node of another deployment of this name, so the server does not \
start. It says: $found. The deployment id in the secret is $SLOTWRIGHT_DEPLOYMENT_ID: if the secret was made anew, put the \
id of the volume back into it, and if the volume is another deployment's, bind the volume of this node" ;;
    esac
    [ "$found" = "$stamp" ] || refuse "the volume at $data belongs to another node or deployment, so the server does \
not start. It says: $found. This node is: $stamp. Bind the volume of this node, or an empty one"
else
    for file in nodes.conf appendonlydir appendonly.aof dump.rdb; do
        [ ! -e "$data/$file" ] || refuse "the volume at $data holds $file, but no stamp says whose it is, so the \
server does not start. If it is this node's, write this into $data/slotwright.json: $stamp. If not, bind an empty volume"
    done
    # On the disk before it has its name, or a power cut leaves an empty stamp. An image without sync has to do without.
    {
        printf '%s\n' "$stamp" >"$data/slotwright.json.new" &&
            { sync "$data/slotwright.json.new" 2>/dev/null || :; } &&
            mv "$data/slotwright.json.new" "$data/slotwright.json"
    } ||
        refuse "cannot write to the volume at $data; it must belong to the user and group the pod runs as"
fi

# --- Where is this node?

case ${SLOTWRIGHT_ANNOUNCE_IP:-} in
    "") refuse "the pod has no address yet" ;;
    *[!0-9a-fA-F.:]*) refuse "the service of this node has no cluster address yet ($SLOTWRIGHT_ANNOUNCE_IP)" ;;
esac

# --- The configuration

# One argument of redis.conf.
quote() {
    rest=$1
    quoted=
    while [ -n "$rest" ]; do
        character=${rest%"${rest#?}"}
        rest=${rest#?}
        case $character in
            '"' | '\') quoted=$quoted\\$character ;;
            *) quoted=$quoted$character ;;
        esac
    done
    printf '"%s"' "$quoted"
}

password=
if [ -e "$secrets/password" ]; then
    password=$(cat "$secrets/password") || refuse "cannot read $secrets/password"
    case $password in
        "") refuse "the password in the secret is empty" ;;
        *"$newline"*) refuse "the password in the secret has more than one line" ;;
    esac
    printf '%s\n' "$password" >"$run/password"
fi

if [ -e "$secrets/users.acl" ]; then
    users=$(cat "$secrets/users.acl") || refuse "cannot read $secrets/users.acl"
    case $newline$users in
        *"${newline}user default"[[:space:]]* | *"${newline}user default")
            refuse "the ACL file of the secret has the user default, as whom the nodes and the deployer log in; \
leave it out" ;;
    esac
    case $password in
        *[[:space:]]*) refuse "beside an ACL file the password cannot have white space" ;;
    esac
    # An ACL file makes requirepass void, so the default user stands in it. A copy, so that ACL SAVE can write.
    printf 'user default on %s ~* &* +@all\n%s\n' "${password:+>}${password:-nopass}" "$users" >"$run/users.acl"
fi

{
    cat "$config"
    printf '# By start.sh, at this start:\n'
    printf 'cluster-announce-ip %s\n' "$SLOTWRIGHT_ANNOUNCE_IP"
    [ -z "${SLOTWRIGHT_ANNOUNCE_HOSTNAME:-}" ] ||
        printf 'cluster-announce-hostname %s\n' "$SLOTWRIGHT_ANNOUNCE_HOSTNAME"
    [ ! -e "$secrets/private.conf" ] || cat "$secrets/private.conf"
    if [ -n "$password" ]; then
        quoted=$(quote "$password")
        printf 'masterauth %s\n' "$quoted"
        [ -e "$run/users.acl" ] || printf 'requirepass %s\n' "$quoted"
    fi
    [ ! -e "$run/users.acl" ] || printf 'aclfile %s/users.acl\n' "$run"
} >"$run/redis.conf" || refuse "cannot write $run/redis.conf"

unset password quoted users
exec "${SLOTWRIGHT_SERVER:-redis-server}" "$run/redis.conf"
