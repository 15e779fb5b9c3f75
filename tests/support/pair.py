"""A Postgres with a synchronous standby: what is committed is on both. Either may be the primary."""

import shutil
import subprocess

import psycopg

from .postgres import Postgres
from .process import wait_until

# A standby that comes back asks for the log at once; the default of 5 s would hold every commit up as long.
STANDBY = {"wal_retrieve_retry_interval": "'100ms'", "wal_keep_size": "'64MB'"}


class Pair:
    """Stands where a Postgres stands: what it does not know itself is asked of the primary."""

    def __init__(self, primary: Postgres, standby: Postgres):
        self.primary = primary
        self.standby = standby

    def __getattr__(self, name):
        return getattr(self.primary, name)

    def create(self):
        self.primary.create()
        self._sql(self.primary, *(f"ALTER SYSTEM SET {name} = {value}" for name, value in STANDBY.items()))
        self.rebuild_standby()

    def conninfo(self, database: str, user="postgres") -> str:
        """Finds the primary, whichever it is."""
        nodes = sorted(str(node.directory) for node in (self.primary, self.standby))
        return f"host={','.join(nodes)} dbname={database} user={user} target_session_attrs=primary"

    def promote(self):
        """The standby becomes the primary, and waits for nobody."""
        self._sql(self.standby, "SELECT pg_promote()", "ALTER SYSTEM RESET synchronous_standby_names",
                  "SELECT pg_reload_conf()")
        self.primary, self.standby = self.standby, self.primary

    def waiting(self) -> list:
        """The backends whose COMMIT waits for the standby."""
        return self._sql(self.primary, "SELECT pid, application_name FROM pg_stat_activity WHERE wait_event = 'SyncRep'")

    def cancel_waits(self) -> int:
        """As somebody who thinks that a query hangs: COMMITs that wait for the standby end, with a warning; how many."""
        return len(self._sql(self.primary, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))

    def rebuild(self):
        """Whatever was the other one becomes a copy."""
        self.standby.close()
        shutil.rmtree(self.standby.data)
        self.rebuild_standby()

    def rebuild_standby(self):
        standby, primary = self.standby, self.primary
        standby.directory.mkdir(parents=True, exist_ok=True)
        standby.own()
        subprocess.run(
            [standby.bin / "pg_basebackup", "-D", standby.data, "-d", primary.conninfo("postgres"), "-R",
             "--checkpoint=fast", "--no-sync", "--wal-method=stream"],
            check=True, capture_output=True, timeout=120, cwd="/", **standby.as_owner())
        standby.start()
        self._sql(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        wait_until(self._is_synchronous, 20, "a synchronous standby")

    def _is_synchronous(self):
        return self._sql(self.primary, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'")

    @staticmethod
    def _sql(node: Postgres, *statements: str):
        with psycopg.connect(node.conninfo("postgres"), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def close(self):
        self.standby.close()
        self.primary.close()
