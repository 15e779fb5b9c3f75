# shellcheck shell=bash
# Words to the user, who runs the servers, and where their state lies.

top=$CALLTRACE_TOP
var=$top/var               # what up makes for the user of this checkout
state=                     # where the servers keep their data: set by state_find
run=                       # where the sockets lie: set by state_find
owner=                     # the user who runs the servers: set by state_find
system_user=calltrace      # runs them when root calls up
system_state=/var/lib/calltrace
socket_bytes_max=107       # what a Unix socket's path may take on Linux

say() { printf '%s\n' "$*"; }

warn() { printf 'calltrace: %s\n' "$*" >&2; }

die() { # one clear sentence
    warn "$*"
    exit 1
}

usage_error() { # COMMAND SENTENCE
    warn "$2 (./calltrace $1 --help)"
    exit 2
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# Runs a command as the user who owns the servers. Root's own environment stays with root.
as_owner() {
    if is_root; then
        (cd / && exec setpriv --reuid="$owner" --regid="$owner" --clear-groups -- \
            env HOME="$state" USER="$owner" LOGNAME="$owner" "$@")
    else
        "$@"
    fi
}

# A directory of the owner's that nobody else may enter.
owned_directory() { # PATH
    mkdir -p "$1"
    if is_root; then chown "$owner:$owner" "$1"; fi
    chmod 700 "$1"
}

# A file of the owner's that nobody else may read; its content comes from standard input and it
# appears whole or not at all.
owned_file() { # PATH
    local new=$1.new
    rm -f "$new"
    (umask 077 && cat >"$new")
    if is_root; then chown "$owner:$owner" "$new"; fi
    mv -f "$new" "$1"
}

var_check() {
    if [ -e "$var" ] && [ ! -d "$var" ]; then
        die "$var is in the way: it is not a directory; move it aside and run up again"
    fi
    mkdir -p "$var" 2>/dev/null || die "cannot make $var: $(id -un) may not write to this checkout"
    [ -w "$var" ] || die "$var belongs to $(stat -c %U "$var"): run up as that user, or remove it first"
}

# Root's servers run as a system user of their own, because Postgres refuses root and because that
# user should own nothing else (the user "postgres" may own other databases of this machine).
owner_make() {
    if ! is_root; then return; fi
    if id -u "$system_user" >/dev/null 2>&1; then return; fi
    useradd --system --user-group --no-create-home --home-dir "$system_state" \
        --shell /usr/sbin/nologin "$system_user" || die "cannot make the user $system_user"
    say "made the system user $system_user, who runs the servers"
}

owner_reaches() { # PATH: may the owner enter this directory?
    setpriv --reuid="$owner" --regid="$owner" --clear-groups -- test -x "$1" 2>/dev/null
}

# Decides owner, state and run. An earlier decision, kept in var/state, stays.
state_find() {
    owner=$(id -un)
    state=$var
    if is_root; then
        owner=$system_user
        if [ -s "$var/state" ]; then
            state=$(cat "$var/state")
        elif ! owner_reaches "$top"; then
            state=$system_state
        fi
    fi
    run=$state/run
    # Postgres adds the longest name; odd characters would need quoting in three languages.
    local longest=$run/.s.PGSQL.5432
    if [ "$(printf %s "$longest" | wc -c)" -gt $socket_bytes_max ] ||
        [[ $longest == *[!A-Za-z0-9._/+@-]* ]]; then
        run=/tmp/calltrace-$(id -u)-$(printf %s "$state" | sha256sum | cut -c1-12)
    fi
}

state_make() {
    state_find
    mkdir -p "$state"
    if [ "$state" != "$var" ]; then
        if is_root; then chown "$owner:$owner" "$state"; fi
        chmod 700 "$state"
    fi
    printf '%s\n' "$state" >"$var/state"
    printf '%s\n' "$top" >"$state/checkout"
    for directory in log pid keys tls etc; do owned_directory "$state/$directory"; done
    if [ -e "$run" ] && [ "$(stat -c %U "$run")" != "$owner" ]; then
        die "$run belongs to $(stat -c %U "$run"), not to $owner: remove it and run up again"
    fi
    owned_directory "$run"
}

port_is_taken() { # PORT: does anything on this machine listen on it?
    local hex
    hex=$(printf '%04X' "$1")
    awk -v port=":$hex" 'index($2, port) == length($2) - 4 && $4 == "0A" { found = 1 }
        END { exit !found }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

port_free_from() { # PORT: the first free port from this one on
    local port=$1
    while port_is_taken "$port"; do port=$((port + 1)); done
    echo "$port"
}

# What calltrace asks itself over loopback never goes through a proxy.
loopback_get() { # URL [CURL OPTIONS]
    local url=$1
    shift
    curl --noproxy '*' --silent --show-error --max-time 5 "$@" "$url"
}
