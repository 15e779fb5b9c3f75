"""Private Postgres and Redis under one short temporary directory."""

import shutil
import tempfile
from pathlib import Path

from . import secrets
from .cluster import Cluster
from .postgres import Postgres
from .redis import Redis
from .tls import Authority


class Servers:
    """A Unix socket's path holds at most 107 bytes, so that the directory is short."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="ct-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.postgres = Postgres(self.directory / "pg")
        self.redis = Redis(self.directory / "rd")
        self.authority = Authority(self.directory / "tls")
        self._clusters: list[Cluster] = []
        self._count = 0

    def start(self):
        self.postgres.create()
        self.redis.create()
        return self

    def cluster(self, wait=True, **options) -> Cluster:
        """A new calltrace with a database of its own, started."""
        return self.unstarted(**options).start(wait)

    def unstarted(self, **options) -> Cluster:
        """The same with an empty database and nothing running."""
        self._count += 1
        cluster = Cluster(self.directory / f"c{self._count}", self.postgres, self.redis,
                          self.authority, **options)
        self._clusters.append(cluster)
        return cluster

    def close_clusters(self):
        while self._clusters:
            self._clusters.pop().close()

    def close(self):
        """Ends everything. A secret that any log of the run holds fails the run."""
        try:
            self.close_clusters()
        finally:
            self.redis.close()
            self.postgres.close()
            leaked = secrets.leaks(self.directory)  # of the whole run, which is over
            shutil.rmtree(self.directory, ignore_errors=True)
        assert not leaked, leaked
