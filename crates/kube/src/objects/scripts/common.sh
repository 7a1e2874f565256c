# What the other scripts share: where things are, and how this node's own server is asked. Sourced, never run.
#
# Sh only, without here-documents (bash keeps those in files, and there is nowhere to write).

run=${SLOTWRIGHT_RUN:-/run/slotwright}
secrets=${SLOTWRIGHT_SECRETS:-/etc/slotwright/secrets}
tls=${SLOTWRIGHT_TLS:-}
cli=${SLOTWRIGHT_CLI:-redis-cli}
newline='
'
return=$(printf '\r')

# The password goes to redis-cli in the environment: arguments are there for everyone to see.
authenticate() {
    if [ -r "$1" ]; then
        REDISCLI_AUTH=$(cat "$1")
        export REDISCLI_AUTH
    fi
}

# Puts what this node's server says to the commands $2… into $answer; false when it says nothing within $1 seconds.
# Over the socket: neither an expired certificate nor a full network makes a server look dead. The exit status of
# redis-cli tells nothing here: it is 0 without a server too.
ask() {
    limit=$1
    shift
    # A changed secret reaches its file before the server: the password the server was started with comes second.
    for file in "$secrets/password" "$run/password"; do
        authenticate "$file"
        answer=$(printf '%s\n' "$@" | timeout "$limit" "$cli" -s "$run/redis.sock" 2>&1)
        case $answer in
            "" | *'Could not connect'*) return 1 ;;
            *NOAUTH* | *WRONGPASS*) ;;
            *) return 0 ;;
        esac
    done
}

# Puts the value of the line `$1:value` of $answer into $value; empty when there is none.
field() {
    value=
    set -f
    IFS=$newline
    for line in $answer; do
        case $line in
            "$1":*)
                value=${line#*:}
                value=${value%"$return"}
                ;;
        esac
    done
    unset IFS
    set +f
}
