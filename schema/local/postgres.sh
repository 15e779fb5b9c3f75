# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # the shared variables stand in common.sh
# The private Postgres: on a Unix socket in a directory that only its owner may enter, no TCP.

postgres_programs= # directory of initdb, postgres and psql

postgres_find() { # prints the directory of the server's programs; nothing when there is none
    local directory found=
    if [ -n "$state" ] && [ -s "$state/pg/PG_VERSION" ]; then
        directory=/usr/lib/postgresql/$(cat "$state/pg/PG_VERSION")/bin
        if [ -x "$directory/initdb" ]; then
            echo "$directory"
            return
        fi
    fi
    for directory in /usr/lib/postgresql/*/bin; do
        if [ -x "$directory/initdb" ]; then found=$directory; fi
    done
    if [ -z "$found" ] && command -v initdb >/dev/null; then
        found=$(dirname "$(command -v initdb)")
    fi
    echo "$found"
}

# The owner (user calltrace) migrates; api, correlator and command line have roles of their own. An outside server is
# used as the user it is given with.
postgres_conninfo() { # [ROLE: api, correlator, admin]
    if [ -n "${CALLTRACE_POSTGRES:-}" ]; then
        echo "$CALLTRACE_POSTGRES"
    else
        echo "host=$run dbname=calltrace user=calltrace${1:+_$1}"
    fi
}

postgres_config() {
    cat <<TEXT
# Written anew by every ./calltrace up. Settings of your own go into local.conf beside this file.
listen_addresses = ''
unix_socket_directories = '$run'
unix_socket_permissions = 0700
port = 5432                        # names the socket only
max_connections = 120
shared_buffers = 256MB
work_mem = 16MB
maintenance_work_mem = 128MB
wal_compression = on
max_wal_size = 2GB
checkpoint_timeout = 15min
gin_pending_list_limit = 64MB      # no insert ever flushes the list; a cleaner does
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
include_if_exists = 'local.conf'
TEXT
}

# A data directory comes into being under another name, so that an interrupted up leaves no half one.
postgres_make() {
    postgres_programs=$(postgres_find)
    [ -n "$postgres_programs" ] || die "there is no Postgres server on this machine (no initdb found)"
    if [ ! -e "$state/pg" ]; then
        say "making a private Postgres in ${state#"$top"/}/pg ..."
        rm -rf "$state/pg.new"
        owned_directory "$state/pg.new"
        if ! as_owner "$postgres_programs/initdb" --pgdata="$state/pg.new" --username=calltrace \
            --auth-local=trust --auth-host=reject --encoding=UTF8 --locale=C --data-checksums \
            --no-instructions >"$var/initdb.log" 2>&1; then
            tail -n 5 "$var/initdb.log" >&2
            die "initdb failed; its log is $var/initdb.log"
        fi
        mv "$state/pg.new" "$state/pg"
    fi
    [ -s "$state/pg/PG_VERSION" ] ||
        die "$state/pg is not a whole Postgres directory: remove it and run up again"
    local made here
    made=$(cat "$state/pg/PG_VERSION")
    here=$("$postgres_programs/postgres" --version | sed -E 's/.* ([0-9]+)[.a-z].*/\1/')
    if [ "$made" != "$here" ]; then
        die "$state/pg was made by Postgres $made and this machine has $here:" \
            "install postgresql-$made, or remove that directory to start empty"
    fi
}

postgres_ask() { # SQL
    as_owner "$postgres_programs/psql" --no-psqlrc --no-align --tuples-only --quiet \
        --set=ON_ERROR_STOP=1 --host="$run" --username=calltrace --dbname=postgres --command="$1"
}

postgres_start() {
    postgres_make
    postgres_config | owned_file "$state/pg/postgresql.conf"
    process_start postgres "$postgres_programs/postgres" -D "$state/pg"
    server_wait postgres 60 postgres_ask 'select 1'
    if [ -z "$(postgres_ask "select 1 from pg_database where datname = 'calltrace'")" ]; then
        postgres_ask 'create database calltrace'
    fi
}
