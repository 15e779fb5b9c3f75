# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # the shared variables stand in common.sh
# The schema, the project "demo", its keys, and var/env for clients.

project=demo

# Administration goes through calltrace-api's own commands; the password of an outside Postgres
# stays in the environment, out of the process list.
admin_as() { # ROLE (empty: the owner) WORDS...
    local role=$1
    shift
    CALLTRACE_POSTGRES=$(postgres_conninfo "$role") CALLTRACE_SECRETS_KEY_FILE=$state/keys/secrets-key \
        as_owner "$api" "$@"
}

admin() { admin_as admin "$@"; }

schema_make() {
    local role
    admin_as '' migrate || return
    if [ -z "${CALLTRACE_POSTGRES:-}" ]; then
        for role in api correlator admin; do admin_as '' role login $role || return; done
    fi
}

project_make() {
    local log=$var/migrate.log
    if ! schema_make >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        die "the migration of the database failed; its log is $log"
    fi
    if ! admin project list | grep -qw "$project"; then
        admin project create "$project" >/dev/null || die "cannot create the project $project"
    fi
}

key_make() { # LABEL SCOPES
    local key
    key=$(admin key create --project "$project" --name "$1" --scopes "$2") ||
        die "cannot create the key $1"
    printf '%s\n' "$key" | owned_file "$state/keys/$1"
}

keys_make() {
    [ -s "$state/keys/demo" ] || key_make demo ingest,read,write,manage
    [ -s "$state/keys/demo-ingest" ] || key_make demo-ingest ingest
}

# The key under which secrets of others are sealed in the database. Lost, those have to be given anew.
secrets_key_make() {
    [ -s "$state/keys/secrets-key" ] || openssl rand -hex 32 | owned_file "$state/keys/secrets-key"
}

# Keys of an earlier database are no good: ask the running api, and make new ones if it refuses.
keys_check() { # URL
    local status
    status=$(loopback_get "$1/v1/me" --cacert "$state/tls/ca.pem" --output /dev/null \
        --write-out '%{http_code}' --config - <<<"header = \"Authorization: Bearer $(cat "$state/keys/demo")\"") ||
        die "calltrace does not answer on $1"
    if [ "$status" = 401 ]; then
        rm -f "$state/keys/demo" "$state/keys/demo-ingest"
        keys_make
    fi
}

shell_quote() { # TEXT: in single quotes, for any POSIX shell
    printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"
}

env_write() { # URL
    local url key ingest ca roots
    url=$(shell_quote "$1")
    key=$(shell_quote "$(cat "$state/keys/demo")")
    ingest=$(cat "$state/keys/demo-ingest")
    ca=$(shell_quote "$state/tls/ca.pem")
    roots=$(shell_quote "$state/tls/roots.pem")
    (
        umask 077
        cat >"$var/env.new" <<TEXT
# Written by ./calltrace up, to be sourced by a shell: . var/env
export CALLTRACE_URL=$url
export CALLTRACE_API_KEY=$key
export CALLTRACE_CA=$ca

# OpenTelemetry SDKs and the Collector (this key may only send traces)
export OTEL_EXPORTER_OTLP_ENDPOINT=$url
export OTEL_EXPORTER_OTLP_HEADERS='authorization=Bearer%20$ingest'
export OTEL_EXPORTER_OTLP_CERTIFICATE=$ca

# Roark's SDKs
export ROARK_BASE_URL=$url
export ROARK_API_BEARER_TOKEN=$key
export ROARK_API_KEY=$key

# Programs that take no certificate of their own: Node adds this one, others read one file of roots
export NODE_EXTRA_CA_CERTS=$roots
export SSL_CERT_FILE=$roots
# Python's requests prefers this one, where it is set, to what the exporter is told above
[ -z "\${REQUESTS_CA_BUNDLE:-}\${CURL_CA_BUNDLE:-}" ] || export REQUESTS_CA_BUNDLE=$roots

# Nothing that runs on this machine is asked for through a proxy
case ",\${NO_PROXY:-}," in
    *,localhost,*) ;;
    *) export NO_PROXY="\${NO_PROXY:+\$NO_PROXY,}localhost,127.0.0.1,::1" ;;
esac
export no_proxy="\$NO_PROXY"
TEXT
    )
    mv -f "$var/env.new" "$var/env"
}
