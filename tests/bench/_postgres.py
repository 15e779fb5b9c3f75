"""Postgres as ./calltrace up would start it."""

import psycopg

# What ./calltrace up gives its private Postgres, where it differs from Postgres' own defaults.
SETTINGS = {"shared_buffers": "256MB", "wal_compression": "on", "max_wal_size": "2GB",
            "checkpoint_timeout": "15min", "gin_pending_list_limit": "64MB", "jit": "off"}


def configure(postgres):
    """The launcher's settings; shared_buffers asks for a restart."""
    with psycopg.connect(postgres.conninfo("postgres"), autocommit=True) as connection:
        for name, value in SETTINGS.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    postgres.stop()
    postgres.start()
