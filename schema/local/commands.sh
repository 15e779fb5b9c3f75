# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # the shared variables stand in common.sh
# The commands up, down, status, logs, demo and admin.

port_default=4318
port_pages=4319
port_admin_api=9464
port_admin_correlator=9465
ready_seconds=60

# --- what is kept about a running calltrace -----------------------------------------------------

launch_write() { # PORT ADMIN_API ADMIN_CORRELATOR
    printf '%s %s %s\n' "$@" | owned_file "$state/launch"
}

launch_read() { # sets launch_port, launch_api and launch_correlator; fails when nothing was started
    read -r launch_port launch_api launch_correlator 2>/dev/null <"$state/launch"
}

servers_running() { # the names of ours that run, on one line
    local name list=
    for name in $servers; do
        if process_is_running "$name"; then list+=" $name"; fi
    done
    echo "${list# }"
}

servers_wanted() { # what this calltrace consists of: outside servers are not ours
    local name list=
    for name in $servers; do
        if [ "$name" = postgres ] && [ -e "$state/outside-postgres" ]; then continue; fi
        if [ "$name" = redis ] && [ -e "$state/outside-redis" ]; then continue; fi
        list+=" $name"
    done
    echo "${list# }"
}

# --- up -----------------------------------------------------------------------------------------

daemons_config() { # PORT ADMIN_API ADMIN_CORRELATOR
    local redis
    redis=$(redis_address)
    owned_file "$state/etc/api.conf" <<TEXT
# Written anew by every ./calltrace up. "calltrace-api config" explains every row.
listen = [::]:$1
tls_cert = $state/tls/server.pem
tls_key = $state/tls/server.key
admin_listen = 127.0.0.1:$2
postgres = $(postgres_conninfo api)
secrets_key_file = $state/keys/secrets-key
pages_dir = $pages
listen_pages = ${ui_port:+127.0.0.1:$ui_port}
bus = ipc://$run/bus
bus_events = ipc://$run/events
TEXT
    owned_file "$state/etc/correlator.conf" <<TEXT
# Written anew by every ./calltrace up. "calltrace-correlator config" explains every row.
bus = ipc://$run/bus
bus_events = ipc://$run/events
postgres = $(postgres_conninfo correlator)
redis = $redis
$(if [ -z "${CALLTRACE_REDIS:-}" ]; then printf 'redis_user = calltrace\nredis_password = %s' "$(redis_password)"; fi)
admin_listen = 127.0.0.1:$3
TEXT
}

outside_mark() { # NAME VALUE: remembers that a server is not ours
    if [ -n "$2" ]; then
        owned_file "$state/outside-$1" </dev/null
    else
        rm -f "$state/outside-$1"
    fi
}

up_refuse_second() {
    local running wanted checkout
    running=$(servers_running)
    if [ -z "$running" ]; then return; fi
    checkout=$(cat "$state/checkout" 2>/dev/null || echo "$top")
    if [ "$checkout" != "$top" ]; then # root's checkouts may share one state
        die "the calltrace of $checkout is running: stop it with $checkout/calltrace down"
    fi
    wanted=$(servers_wanted)
    if [ "$running" = "$wanted" ] && launch_read; then
        say "calltrace already runs on https://localhost:$launch_port (stop it with: ./calltrace down)"
        exit 0
    fi
    die "an earlier calltrace is half running (only: $running): run ./calltrace down, then up again"
}

up_servers() { # PORT
    local admin_api admin_correlator
    rm -f "$state/stopping"
    outside_mark postgres "${CALLTRACE_POSTGRES:-}"
    outside_mark redis "${CALLTRACE_REDIS:-}"
    if [ -z "${CALLTRACE_POSTGRES:-}" ]; then postgres_start; fi
    if [ -z "${CALLTRACE_REDIS:-}" ]; then redis_start; fi
    project_make
    keys_make
    secrets_key_make
    admin_api=$(port_free_from $port_admin_api)
    admin_correlator=$(port_free_from $((admin_api + 1)))
    daemons_config "$1" "$admin_api" "$admin_correlator"
    launch_write "$1" "$admin_api" "$admin_correlator"
    owned_file "$state/api-program" <<<"$api"
    ulimit -n "$(ulimit -H -n)"
    process_start correlator "$correlator" serve --config "$state/etc/correlator.conf"
    process_start api "$api" serve --config "$state/etc/api.conf"
    server_wait correlator $ready_seconds daemon_is_ready "$admin_correlator"
    server_wait api $ready_seconds daemon_is_ready "$admin_api"
    keys_check "https://localhost:$1"
    env_write "https://localhost:$1"
}

up_next() { # PORT DETACH
    cat <<TEXT

calltrace is ready on https://localhost:$1

TEXT
    if [ -n "$ui_port" ]; then
        say "  http://localhost:$ui_port           the web pages; sign in with the key in var/env"
    elif [ -n "$pages" ]; then
        say "  https://localhost:$1          the web pages; sign in with the key in var/env (a browser that does"
        say "                                  not know the CA warns; ./calltrace up --ui-http avoids that)"
    fi
    cat <<TEXT
  ./calltrace demo                play a voice call and see what was linked
  . var/env                       settings for your own programs: OpenTelemetry SDKs and Roark's
                                  SDKs read them from the environment
  curl --cacert "\$CALLTRACE_CA" -H "Authorization: Bearer \$CALLTRACE_API_KEY" \\
      "\$CALLTRACE_URL/v1/call"    ask for the calls (after . var/env)
  ./calltrace logs -f             what the servers say
TEXT
    if [ "$2" = yes ]; then
        say "  ./calltrace down                stop it"
    else
        say ""
        say "Ctrl-C stops it."
    fi
}

# Stays in front until Ctrl-C; ends with a sentence when one of the servers ends by itself. The trap
# only takes a note: it may run while some function's output is redirected, or kill a subshell of it.
up_watch() {
    local name ended
    while [ "$stop_asked" = no ]; do
        ended=
        for name in $(servers_wanted); do
            if ! process_is_running "$name"; then ended=$name; fi
        done
        if [ -n "$ended" ] && [ -e "$state/stopping" ]; then
            say "stopped by ./calltrace down"
            return
        fi
        if [ -n "$ended" ] && [ "$stop_asked" = no ]; then
            server_log_tail "$ended"
            warn "$ended ended by itself (its log is $state/log/$ended.log); stopping the others"
            servers_stop
            exit 1
        fi
        sleep 0.5 &
        wait $! || true
    done
    trap '' INT TERM HUP # a second Ctrl-C must not leave half of it running
    say ""
    say "stopping ..."
    servers_stop
    say "stopped; the state stays in ${state#"$top"/}"
}

up_options() { # sets yes, detach, port, names
    while [ $# -gt 0 ]; do
        case $1 in
            --yes | -y) yes=yes ;;
            --detach | -d) detach=yes ;;
            --port | --name)
                [ $# -ge 2 ] || usage_error up "$1 needs a value"
                if [ "$1" = --port ]; then port=$2; else names+=("$2"); fi
                shift
                ;;
            --port=*) port=${1#*=} ;;
            --name=*) names+=("${1#*=}") ;;
            --ui-http) ui_port=$port_pages ;;
            --ui-http=*) ui_port=${1#*=} ;;
            *) usage_error up "up knows no option '$1'" ;;
        esac
        shift
    done
    if ! [[ $port =~ ^[0-9]{1,5}$ ]] || [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then
        usage_error up "--port takes a number from 1 to 65535, not '$port'"
    fi
    if [ -n "$ui_port" ] && { ! [[ $ui_port =~ ^[0-9]{1,5}$ ]] || [ "$ui_port" -lt 1 ] || [ "$ui_port" -gt 65535 ]; }; then
        usage_error up "--ui-http takes a number from 1 to 65535, not '$ui_port'"
    fi
    local name
    for name in ${names[@]+"${names[@]}"}; do
        tls_is_name "$name" || tls_is_address "$name" ||
            usage_error up "--name takes a host name or an address, not '$name'"
    done
}

command_up() {
    local yes=no detach=no port=$port_default ui_port='' names=()
    up_options "$@"
    var_check
    exec 9>"$var/lock"
    flock -n 9 || die "another ./calltrace up or down is at work in this checkout"
    state_find
    up_refuse_second
    if port_is_taken "$port"; then
        die "port $port is taken by another program: stop that one, or choose another with --port"
    fi
    if [ -n "$ui_port" ] && port_is_taken "$ui_port"; then
        die "port $ui_port is taken by another program: choose another with --ui-http=N"
    fi
    packages_ensure "$yes"
    packages_ensure_pages "$yes"
    owner_make
    state_find
    state_make
    build_daemons
    pages_build
    if [ -n "$ui_port" ] && [ -z "$pages" ]; then die "--ui-http serves the web pages, and there are none"; fi
    trap 'servers_stop' EXIT
    trap 'exit 130' INT TERM HUP
    tls_make ${names[@]+"${names[@]}"}
    say "starting the servers ..."
    up_servers "$port"
    exec 9>&-
    if [ "$detach" = no ]; then
        stop_asked=no
        trap 'stop_asked=yes' INT TERM HUP
        trap - EXIT
        up_next "$port" "$detach"
        up_watch
        return
    fi
    trap - EXIT INT TERM HUP
    up_next "$port" "$detach"
}

# --- down, status, logs -------------------------------------------------------------------------

started_before() { # fails when up never ran in this checkout
    [ -s "$var/state" ] || return 1
    state_find
}

command_down() {
    [ $# -eq 0 ] || usage_error down "down takes no '$1'"
    if ! started_before || [ -z "$(servers_running)" ]; then
        say "calltrace is not running"
        return
    fi
    exec 9>"$var/lock"
    flock -w 90 9 || die "another ./calltrace up or down is at work in this checkout"
    owned_file "$state/stopping" </dev/null # for an up in the foreground
    servers_stop
    say "stopped; the state stays in ${state#"$top"/}"
}

status_line() { # NAME STATE
    printf '  %-12s %s\n' "$1" "$2"
}

command_status() {
    [ $# -eq 0 ] || usage_error status "status takes no '$1'"
    local name pid admin all=yes
    if ! started_before || ! launch_read || [ -z "$(servers_running)" ]; then
        say "calltrace is not running (start it with: ./calltrace up)"
        return 1
    fi
    say "https://localhost:$launch_port, state in ${state#"$top"/}"
    for name in $servers; do
        if [ -e "$state/outside-$name" ]; then
            status_line "$name" "an outside server"
            continue
        fi
        if ! pid=$(process_pid "$name"); then
            status_line "$name" "not running"
            all=no
            continue
        fi
        admin=
        if [ "$name" = api ]; then admin=$launch_api; fi
        if [ "$name" = correlator ]; then admin=$launch_correlator; fi
        if [ -z "$admin" ]; then
            status_line "$name" "running (process $pid)"
        elif daemon_is_ready "$admin" >/dev/null 2>&1; then
            status_line "$name" "ready (process $pid, metrics on http://127.0.0.1:$admin/metrics)"
        else
            status_line "$name" "not ready (process $pid): $(loopback_get "http://127.0.0.1:$admin/ready" 2>&1)"
            all=no
        fi
    done
    [ $all = yes ]
}

command_logs() {
    local lines=20 follow=() names=() files=() name
    while [ $# -gt 0 ]; do
        case $1 in
            -f | --follow) follow=(-F) ;;
            -n)
                [[ ${2:-} =~ ^[0-9]+$ ]] || usage_error logs "-n needs a number"
                lines=$2
                shift
                ;;
            api | correlator | postgres | redis) names+=("$1") ;;
            *) usage_error logs "there is no log '$1'" ;;
        esac
        shift
    done
    started_before || die "there are no logs yet (start calltrace with: ./calltrace up)"
    # shellcheck disable=SC2206  # a list of plain words
    [ ${#names[@]} -gt 0 ] || names=($servers)
    for name in "${names[@]}"; do
        if [ -e "$state/log/$name.log" ]; then files+=("$state/log/$name.log"); fi
    done
    [ ${#files[@]} -gt 0 ] || die "there are no logs yet (start calltrace with: ./calltrace up)"
    exec tail -n "$lines" ${follow[@]+"${follow[@]}"} "${files[@]}"
}

# --- admin --------------------------------------------------------------------------------------

command_admin() {
    [ $# -gt 0 ] || usage_error admin "admin needs a command"
    if ! started_before || ! process_is_running api; then
        die "calltrace is not running: start it with ./calltrace up first"
    fi
    api=$(cat "$state/api-program")
    # An outside Postgres need not be named again.
    if [ -e "$state/outside-postgres" ]; then
        CALLTRACE_POSTGRES=$(sed -n 's/^postgres = //p' "$state/etc/api.conf")
    fi
    case ${1:-} in
        migrate | role) admin_as '' "$@" ;;
        *) admin "$@" ;;
    esac
}

# --- demo ---------------------------------------------------------------------------------------

command_demo() {
    [ $# -eq 0 ] || usage_error demo "demo takes no '$1'"
    [ -s "$var/env" ] || die "there is no var/env yet: start calltrace with ./calltrace up first"
    # shellcheck disable=SC1091  # written by env_write
    . "$var/env"
    exec python3 "$top/tests/run/demo.py"
}
