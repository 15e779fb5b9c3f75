"""Connections between processes that can be cut, stalled and slowed.

`Links` runs this file as a process of its own, so that the load generator does not slow it down. Each link listens on
a loopback port and passes octets to a TCP port or a Unix socket. Commands come over a Unix socket, one line each:
`MODE MILLISECONDS LINK...`; the answer is how many connections were cut, refused, stalled or slowed since the last one.

  pass   octets go through
  cut    open connections are reset, new ones are closed at once
  stall  connections stay open and nothing passes: a network that swallows packets
  slow   each piece waits so many milliseconds, in both directions
"""

import asyncio
import json
import socket
import struct
import sys
from pathlib import Path

PIECE_BYTES = 1 << 18
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what is left is thrown away and the peer told so


class Link:
    def __init__(self, target):
        self.target = target  # a path, or a port of 127.0.0.1
        self.mode = "pass"
        self.delay_s = 0.0
        self.touched = 0
        self.writers: set[asyncio.StreamWriter] = set()
        self.passes = asyncio.Event()
        self.passes.set()

    def set(self, mode: str, milliseconds: int):
        self.mode = mode
        self.delay_s = milliseconds / 1000 if mode == "slow" else 0.0
        (self.passes.clear if mode == "stall" else self.passes.set)()
        if mode == "cut":
            self.touched += len(self.writers) // 2
            for writer in list(self.writers):
                _reset(writer)

    async def serve(self, reader, writer):
        if self.mode == "cut":
            self.touched += 1
            _reset(writer)
            return
        try:
            far_reader, far_writer = await self._connect()
        except OSError:
            _reset(writer)
            return
        self.writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        except OSError:
            pass
        finally:
            self.writers -= {writer, far_writer}
            for one in (writer, far_writer):
                one.close()

    async def _connect(self):
        if isinstance(self.target, int):
            return await asyncio.open_connection("127.0.0.1", self.target)
        return await asyncio.open_unix_connection(self.target)

    async def _pass(self, reader, writer):
        while True:
            data = await reader.read(PIECE_BYTES)
            if self.mode in ("stall", "slow"):
                self.touched += 1
            await self.passes.wait()
            if self.delay_s > 0:
                await asyncio.sleep(self.delay_s)
            if not data:  # the end of one side is the end of both: none of our protocols half-closes
                _end(writer)
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()


def _end(writer):
    try:
        writer.close()
    except OSError:
        pass


def _reset(writer):
    end = writer.get_extra_info("socket")
    if end is not None and end.family == socket.AF_INET:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def main(control: str, table: str):
    links = {}
    for name, (port, target) in json.loads(table).items():
        links[name] = Link(target)
        await asyncio.start_server(links[name].serve, "127.0.0.1", port)

    async def command(reader, writer):
        while line := (await reader.readline()).decode().split():
            mode, milliseconds, *names = line
            touched = 0
            for name in names:
                links[name].set(mode, int(milliseconds))
                touched += links[name].touched
                links[name].touched = 0
            writer.write(b"%d\n" % touched)
            await writer.drain()
        writer.close()

    await asyncio.start_unix_server(command, control)
    await asyncio.Event().wait()


class Links:
    """The tests' side: name -> link, and commands to them."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.control = directory / "links.sock"
        self.table: dict[str, tuple[int, int | str]] = {}
        self.process = None

    def add(self, name: str, target: int | str) -> int:
        """The port to connect to in place of the target."""
        port = free_port()
        self.table[name] = (port, target)
        return port

    def start(self):
        self.process = Process("links", [sys.executable, __file__, self.control, json.dumps(self.table)],
                               self.directory / "links.log")
        self.process.start()
        wait_until(self.control.exists, 20, "the links")

    def named(self, *parts: str) -> list[str]:
        """The links whose names hold every part."""
        return [name for name in self.table if all(part in name for part in parts)]

    def set(self, mode: str, names: list[str], milliseconds=0) -> int:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            connection.connect(str(self.control))
            connection.sendall(f"{mode} {milliseconds} {' '.join(names)}\n".encode())
            return int(connection.makefile("rb").readline())

    def close(self):
        if self.process is not None:
            self.process.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
else:
    from .process import Process, free_port, wait_until
