# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # the shared variables stand in common.sh
# The private Redis: on a Unix socket, no TCP, nothing on disk (what it holds may be lost any time).

redis_find() { command -v redis-server || command -v valkey-server || true; }

redis_address() {
    if [ -n "${CALLTRACE_REDIS:-}" ]; then
        echo "$CALLTRACE_REDIS"
    else
        echo "unix:$run/redis.sock"
    fi
}

# The correlator's own user may do what its script needs, on its own keys; nobody else gets in.
redis_password() {
    [ -s "$state/keys/redis-password" ] || openssl rand -hex 24 | owned_file "$state/keys/redis-password"
    cat "$state/keys/redis-password"
}

redis_config() { # PASSWORD RULES
    cat <<TEXT
# Written anew by every ./calltrace up.
user default off
user calltrace on >$1 $2
port 0
unixsocket $run/redis.sock
unixsocketperm 700
dir $run
save ""
appendonly no
maxmemory 512mb
maxmemory-policy volatile-ttl
TEXT
}

redis_is_up() { [ -S "$run/redis.sock" ]; }

redis_start() {
    local program password rules
    program=$(redis_find)
    [ -n "$program" ] || die "there is no Redis server on this machine (no redis-server found)"
    password=$(redis_password)
    rules=$(cat "$top/schema/redis/user.rules")
    redis_config "$password" "$rules" | owned_file "$state/etc/redis.conf"
    rm -f "$run/redis.sock"
    process_start redis "$program" "$state/etc/redis.conf"
    server_wait redis 30 redis_is_up
}
