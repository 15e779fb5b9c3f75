"""The daemons' roles in Postgres and their user in Redis may do what they need, and nothing else."""

import base64
import hashlib
import hmac
import socket

import psycopg
import pytest

from support.cluster import Cluster
from support.postgres import Postgres
from support.redis import USER

ROLES = ["api", "correlator", "admin"]
WRITES = ["INSERT", "UPDATE", "DELETE", "TRUNCATE"]
# Who may write where; a table that is not named here is the correlator's alone.
WRITERS = {
    "migration": {},
    "audit": {"correlator": {"INSERT"}, "admin": {"INSERT"}},
    "api_key": {"correlator": {"INSERT", "UPDATE"}, "admin": {"INSERT", "UPDATE"}},
    **{name: {"admin": {"INSERT", "UPDATE", "DELETE"}}
       for name in ("project", "livekit_key", "vapi_credential", "vapi_assistant")},
}


def refused(cluster, role: str, statement: str):
    with psycopg.connect(cluster.conninfo_of(role), autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def tables(cluster) -> list[str]:
    return [name for (name,) in cluster.sql(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        " and not relispartition order by 1")]


@pytest.mark.parametrize("role", ROLES)
def test_each_role_writes_its_tables_alone(cluster, role):
    found = {}
    for table in tables(cluster):
        (row,) = cluster.sql("select " + ", ".join(f"has_table_privilege(%s, %s, '{what}')" for what in WRITES),
                             tuple(part for _ in WRITES for part in (f"calltrace_{role}", table)))
        found[table] = {what for what, has in zip(WRITES, row) if has}
    own = {"INSERT", "UPDATE", "DELETE"} if role == "correlator" else set()
    assert len(found) > 15
    assert found == {table: WRITERS.get(table, {role: own}).get(role, set()) for table in found}


@pytest.mark.parametrize("role", ROLES)
def test_no_role_is_more_than_it_seems(cluster, role):
    assert cluster.sql(
        "select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, "
        "(select count(*) from pg_auth_members where member = r.oid) from pg_roles r where rolname = %s",
        (f"calltrace_{role}",)) == [(False, False, False, False, False, 0)]
    assert cluster.sql("select relname from pg_class c join pg_roles r on r.oid = c.relowner where rolname = %s",
                       (f"calltrace_{role}",)) == []


@pytest.mark.parametrize("statement", [
    "insert into trace_tag values ('00000000-0000-0000-0000-000000000000', 'k', 'v', 't')",
    "update api_key set scopes = 15", "update conversation set title = 'x'", "delete from link", "truncate segment",
    "select * from trace for update", "insert into project (id, name) values (gen_random_uuid(), 'mine')",
    "select * from audit", "select segment_partition_make('3000-01-01')",
    "select segment_terms_clean()", "create table x (y int)"])
def test_the_api_changes_nothing(cluster, statement):
    refused(cluster, "api", statement)


@pytest.mark.parametrize("statement", [
    "create table x (y int)", "create index on trace (service)", "alter table trace add column x int",
    "drop table link", "truncate link", "create function f() returns int language sql as 'select 1'",
    "drop function calltrace_again()", "create schema mine", "create role mine", "alter role calltrace_api superuser",
    "delete from api_key", "update audit set what = 'nothing'", "delete from audit",
    "update migration set version = 1", "insert into project (id, name) values (gen_random_uuid(), 'mine')",
    "delete from livekit_key", "update vapi_credential set secret = 'x'",
    "copy (select 1) to program 'true'"])
def test_the_correlator_does_not_change_the_schema_nor_who_may_what(cluster, statement):
    refused(cluster, "correlator", statement)


def test_the_correlator_may_call_what_needs_the_owner(cluster):
    with psycopg.connect(cluster.conninfo_of("correlator"), autocommit=True) as connection:
        assert connection.execute("select segment_terms_clean() >= 0").fetchone() == (True,)
        assert connection.execute("select segment_partition_make('2999-01-01')").fetchone() == (True,)
        assert connection.execute("select segment_hot_trim()").fetchone() == (True,)
    cluster.sql("drop table segment_29990101")
    functions = [name for (name,) in cluster.sql("select oid::regprocedure::text from pg_proc where prosecdef")]
    assert len(functions) >= 4
    for function in functions:
        for role in ("api", "admin", "correlator"):
            may = cluster.sql("select has_function_privilege(%s, %s, 'execute')", (f"calltrace_{role}", function))
            assert may == [(role == "correlator",)], (role, function)


def test_the_daemons_run_under_their_roles(cluster, client):
    assert client.get("/v1/call").status == 200
    users = dict(cluster.sql("select distinct application_name, usename from pg_stat_activity "
                             "where datname = current_database() and application_name like 'calltrace-%%'"))
    assert {name.split()[0] for name in users} == {"calltrace-api", "calltrace-correlator"}
    for name, user in users.items():
        assert user == name.split()[0].replace("-", "_"), users


def test_migrating_again_takes_back_what_somebody_gave(cluster):
    cluster.sql("grant delete on audit to calltrace_correlator")
    cluster.command("migrate")
    refused(cluster, "correlator", "delete from audit")


# --- role login -----------------------------------------------------------------------------------------


def scram_of(verifier: str, password: str) -> bool:
    """Is it SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey> of this password?"""
    _, counted, keys = verifier.split("$")
    iterations, salt = counted.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    client = hmac.digest(salted, b"Client Key", "sha256")
    return base64.b64encode(hashlib.sha256(client).digest()).decode() == keys.split(":")[0]


def test_a_role_gets_a_password_that_postgres_never_sees(cluster, tmp_path):
    file = tmp_path / "password"
    file.write_text("it's \\ a \u00fc word\n")
    cluster.command("role", "login", "admin", "--password-file", str(file))
    ((verifier,),) = cluster.sql("select rolpassword from pg_authid where rolname = 'calltrace_admin'")
    cluster.sql("alter role calltrace_admin password null")
    assert verifier.startswith("SCRAM-SHA-256$") and scram_of(verifier, "it's \\ a \u00fc word")
    assert not scram_of(verifier, "another")


@pytest.mark.parametrize("words, code, said", [
    (["superuser"], 2, "no role"), (["calltrace_api"], 2, "no role"), ([], 2, "missing"),
    (["api", "--password-file", "/none"], 1, "/none"), (["api", "--password-file", "/dev/null"], 2, "1 to")])
def test_other_roles_and_files_are_refused(cluster, words, code, said):
    done = cluster.run("role", "login", *words)
    assert done.returncode == code and said in done.stderr, done.stderr


def test_a_password_with_nul_is_refused(cluster, tmp_path):
    file = tmp_path / "password"
    file.write_bytes(b"a\0b")
    done = cluster.run("role", "login", "api", "--password-file", str(file))
    assert done.returncode == 2 and "NUL" in done.stderr


def test_an_owner_who_may_make_no_roles_still_gets_a_database(servers):
    other = Postgres(servers.directory / "pg2")
    cluster = None
    try:
        other.create()
        with psycopg.connect(other.conninfo("postgres"), autocommit=True) as connection:
            connection.execute("create role plain login")
        cluster = Cluster(servers.directory / "plain", other, servers.redis, servers.authority)
        cluster.sql(f"alter database {cluster.database} owner to plain")
        cluster.conninfo = other.conninfo(cluster.database, "plain")
        done = cluster.run("migrate")
        assert done.returncode == 0 and "may not make the roles" in done.stderr, done.stderr
        for daemon in cluster.daemons():
            daemon.rows["postgres"] = cluster.conninfo
            daemon.start()
        cluster.wait_ready()
    finally:
        if cluster is not None:
            cluster.close()
        other.close()


# --- Redis ------------------------------------------------------------------------------------------------


def redis_as(servers, password: str, *words) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(str(servers.redis.socket_path))
        lines = connection.makefile("rb")
        answer = b""
        for request in (["AUTH", USER, password], words):
            connection.sendall(b"*%d\r\n" % len(request) + b"".join(
                b"$%d\r\n%s\r\n" % (len(part.encode()), part.encode()) for part in request))
            answer = lines.readline().rstrip()
        return answer


@pytest.mark.parametrize("words", [
    ["FLUSHALL"], ["KEYS", "*"], ["CONFIG", "GET", "*"], ["ACL", "LIST"], ["GET", "ct:{x}"], ["HGETALL", "ct:{x}"],
    ["HSET", "other", "c", "1"], ["EVAL", "return 1", "0"], ["SCRIPT", "FLUSH"], ["DEL", "ct:{x}"], ["SHUTDOWN"],
    ["MONITOR"], ["SUBSCRIBE", "ct:x"], ["REPLICAOF", "NO", "ONE"], ["MODULE", "LIST"]])
def test_the_correlators_user_may_not(servers, cluster, words):
    assert redis_as(servers, servers.redis.password, *words).startswith(b"-NOPERM"), words


def test_a_wrong_password_is_redis_away_with_a_sentence(servers):
    cluster = servers.cluster(correlator_rows={"redis_password": "wrong"})
    try:
        assert cluster.client(cluster.project("p")).post_json("/v1/call", {"externalId": "x"}).status == 200
        assert cluster.correlators[0].metrics()["calltrace_redis_up"] == 0
        assert "user or password are refused" in cluster.correlators[0].log()
    finally:
        cluster.close()


def test_the_correlator_uses_it(servers, cluster, client):
    assert client.post_json("/v1/call", {"externalId": "redis-user"}).status == 200
    assert cluster.correlators[0].metrics()["calltrace_redis_up"] == 1
    clients = redis_lines(servers, "CLIENT", "LIST")
    assert sum(f"user={USER} " in line and "cmd=auth" not in line for line in clients) > 0, clients


def redis_lines(servers, *words) -> list[str]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(str(servers.redis.socket_path))
        connection.sendall((" ".join(words) + "\r\n").encode())
        lines = connection.makefile("rb")
        size = int(lines.readline()[1:])
        return lines.read(size).decode().splitlines()
