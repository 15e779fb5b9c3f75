"""What idle and slow connections cost the others: the same exports by the clock, alone and amid a crowd."""

import asyncio
import contextlib
import ssl
import subprocess
import threading
from dataclasses import replace

from bench import _case
from bench._case import Case, Target
from bench._processes import connections_to
from support.process import wait_until

IDLE, SLOW = 10_000, 1_000
OTHERS = Case("crowd", connections=64, rate=50_000, spans=64, seconds=20, read_traces=1000)
BODY_BYTES = 100_000  # said to come, an octet at a time
PAUSE_S = 1.0  # between two octets


class Slow:
    """Connections that send an octet now and then: half of them never end their heads, half their bodies. One that is cut
    off comes again."""

    def __init__(self, target: Target, count: int):
        self.target, self.count = target, count
        self.open = self.cut = 0
        self.context = ssl.create_default_context(cafile=target.cluster.authority.ca)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.main.cancel)
        self.thread.join(30)

    def _run(self):
        self.main = self.loop.create_task(self._all())
        with contextlib.suppress(asyncio.CancelledError):
            self.loop.run_until_complete(self.main)
        self.loop.close()

    async def _all(self):
        begin = asyncio.Semaphore(50)  # handshakes at a time
        await asyncio.gather(*(self._one(number % 2 == 0, begin) for number in range(self.count)))

    async def _one(self, is_body, begin):
        head = "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n"
        if is_body:
            head += (f"Authorization: Bearer {self.target.project.key}\r\nContent-Type: {_case.PROTOBUF}\r\n"
                     f"Content-Length: {BODY_BYTES}\r\n\r\n")
        while True:
            async with begin:
                _, writer = await asyncio.open_connection("localhost", self.target.port, ssl=self.context)
            self.open += 1
            with contextlib.suppress(OSError):
                writer.write(head.encode())
                while not writer.transport.is_closing():
                    await asyncio.sleep(PAUSE_S)
                    writer.write(b"\n" if is_body else b"x")
                    await writer.drain()
            self.open -= 1
            self.cut += 1


def send(target: Target, case: Case, seed: int) -> dict:
    return _case.generate(target, {**case.options(), "seed": seed}, target.cluster.directory / f"sample-{seed}")


def run(servers, idle: int, slow: int, seconds: int = 0, build=None) -> dict:
    target = Target(servers, build)
    case = replace(OTHERS, seconds=seconds or OTHERS.seconds)
    try:
        alone = send(target, case, 1)
        with subprocess.Popen([_case.READER, *target.arguments(), f"--hold={idle}"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as holder, Slow(target, slow) as crowd:
            held = holder.stdout.readline().split()
            wait_until(lambda: crowd.open >= slow * 0.98, 120, "the slow ones to be there")
            connections = connections_to(target.port)
            amid = send(target, case, 2)
            still = crowd.open
            holder.stdin.close()
        return {"alone": {"export_ms": alone["export_ms"], "link_ms": alone["link_ms"]},
                "amid": {"export_ms": amid["export_ms"], "link_ms": amid["link_ms"]},
                "crowd_connections": connections, "slow_open": still, "slow_cut": crowd.cut,
                "export_p99_ratio": round(amid["export_ms"]["p99"] / alone["export_ms"]["p99"], 2),
                "is_whole": alone["exit_code"] == amid["exit_code"] == 0 and held == ["held", str(idle)]
                            and still >= slow * 0.9}
    finally:
        servers.close_clusters()
