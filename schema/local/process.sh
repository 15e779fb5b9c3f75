# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # the shared variables stand in common.sh
# Starts, finds and stops the four servers. A pid file holds the process id and the time that
# process started, so that another process with the same number is never taken for ours.

servers='postgres redis correlator api' # in the order in which they start

process_started_at() { # PID: start time in clock ticks, nothing when it is gone or a zombie
    local line
    line=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    line=${line##*) }
    # shellcheck disable=SC2086  # the fields are wanted as words
    set -- $line
    if [ "$1" != Z ]; then echo "${20}"; fi
}

process_pid() { # NAME: its process id; fails when it does not run
    local pid started
    read -r pid started 2>/dev/null <"$state/pid/$1" || return 1
    [ -n "$started" ] && [ "$(process_started_at "$pid")" = "$started" ] && echo "$pid"
}

process_is_running() { process_pid "$1" >/dev/null; }

# Each server gets a session of its own: Ctrl-C must reach up alone, which then stops them in order.
process_start() { # NAME COMMAND...
    local name=$1 pid log=$state/log/$1.log
    shift
    if [ -s "$log" ]; then mv -f "$log" "$log.1"; fi
    owned_file "$log" </dev/null
    if is_root; then
        (cd / && exec 9>&- setsid setpriv --reuid="$owner" --regid="$owner" --clear-groups -- \
            env HOME="$state" USER="$owner" LOGNAME="$owner" "$@") </dev/null >>"$log" 2>&1 &
    else
        (cd / && exec 9>&- setsid "$@") </dev/null >>"$log" 2>&1 &
    fi
    pid=$!
    owned_file "$state/pid/$name" <<<"$pid $(process_started_at "$pid")"
}

process_stop() { # NAME SIGNAL SECONDS
    local pid tenths=$(($3 * 10))
    if ! pid=$(process_pid "$1"); then
        rm -f "$state/pid/$1"
        return 0
    fi
    kill -s "$2" "$pid" 2>/dev/null || true
    while process_is_running "$1"; do
        if [ $tenths -le 0 ]; then
            warn "$1 did not stop within $3 seconds and was killed"
            kill -s KILL "$pid" 2>/dev/null || true
            break
        fi
        tenths=$((tenths - 1))
        sleep 0.1
    done
    rm -f "$state/pid/$1"
}

servers_stop() {
    process_stop api TERM 30
    process_stop correlator TERM 30
    process_stop redis TERM 10
    process_stop postgres INT 30 # Postgres's fast shutdown
    if [[ $run == /tmp/calltrace-* ]]; then rm -rf "$run"; fi
}

server_log_tail() { # NAME
    local log=$state/log/$1.log
    if [ -s "$log" ]; then tail -n 8 "$log" | sed "s/^/  $1: /" >&2; fi
}

# Waits until a check holds; a server that ends meanwhile, or the time running out, ends up.
server_wait() { # NAME SECONDS CHECK...
    local name=$1 tenths=$(($2 * 10)) seconds=$2 said
    shift 2
    until said=$("$@" 2>/dev/null); do
        if ! process_is_running "$name"; then
            server_log_tail "$name"
            die "$name ended as it started; its log is $state/log/$name.log"
        fi
        if [ $tenths -le 0 ]; then
            server_log_tail "$name"
            die "$name was not ready within $seconds seconds${said:+ (it says: $said)}; its log is $state/log/$name.log"
        fi
        tenths=$((tenths - 2))
        sleep 0.2
    done
}

daemon_is_ready() { # ADMIN PORT
    loopback_get "http://127.0.0.1:$1/ready" --fail-with-body
}
