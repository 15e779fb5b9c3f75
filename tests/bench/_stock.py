"""Many traces for the search bench: templates that are encoded once and patched, so that Python keeps up with the server."""

import random
import struct
import threading

from support import otlp
from support.client import Client

TURN = [("user_turn", 0, 0, 800), ("agent_turn", 0, 800, 3000), ("llm_node", 2, 820, 1400), ("tts_node", 2, 1300, 2900),
        ("function_tool", 2, 1400, 1700)]
MODELS = ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "claude-sonnet"]
WORDS = ("the appointment is on tuesday morning please wait while i look that up for you your number ends with seven could you "
         "repeat it of course we have a free table at eight tomorrow would you like anything else today thank you goodbye").split()
MS = 1_000_000
TIME_MARK = 0x7A5A_0000_0000_0000
TRACE_MARK = b"\xA5tracetracetrac\xA5"
ROOM_MARK = "RM_ROOMROOMROOM"
LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz"
TEMPLATES = 24
EXPORTS_OF_A_TRACE = 2  # so that a trace has as many segments
TRACES_OF_AN_EXPORT = 20


def all_at(data: bytes, mark: bytes):
    at, found = data.find(mark), []
    while at >= 0:
        found.append(at)
        at = data.find(mark, at + 1)
    return found


class Template:
    """One export's part of a trace, and where its ids and times stand."""

    def __init__(self, spans, marks, resource):
        self.data = otlp.request(spans, resource, "livekit-agents").SerializeToString()
        self.traces = all_at(self.data, TRACE_MARK)
        self.rooms = all_at(self.data, ROOM_MARK.encode())
        self.ids = [(at, n) for n, mark in enumerate(marks["ids"]) for at in all_at(self.data, mark)]
        self.times = [(at, ms) for value, ms in marks["times"] for at in all_at(self.data, struct.pack("<Q", value))]
        assert len(self.traces) == len(spans) and len(self.times) == 2 * len(spans) and len(self.rooms) == 1

    def filled(self, trace, room, ids, start):
        out = bytearray(self.data)
        for at in self.traces:
            out[at:at + 16] = trace
        for at in self.rooms:
            out[at:at + len(room)] = room
        for at, n in self.ids:
            out[at:at + 8] = ids[8 * n:8 * n + 8]
        for at, ms in self.times:
            struct.pack_into("<Q", out, at, start + ms * MS)
        return out


def sentence(rng):
    return " ".join(rng.choice(WORDS) for _ in range(24))


def span_of(rng, number, name, parent, ids, begin, end, times):
    attributes = {"lk.speech_id": f"speech_{rng.randrange(16 ** 12):012x}", "lk.text": sentence(rng)}
    if name == "llm_node":
        attributes |= {"gen_ai.operation.name": "chat", "gen_ai.request.model": rng.choice(MODELS),
                       "gen_ai.usage.input_tokens": rng.randrange(4000), "gen_ai.usage.output_tokens": rng.randrange(1, 200)}
    marks = []
    for ms in (begin, end):
        times.append((TIME_MARK + len(times), ms))
        marks.append(times[-1][0])
    return otlp.span(TRACE_MARK, name, attributes, ids[parent] if parent is not None else b"", ids[number], *marks)


def template_of(rng, spans_count):
    """The exports of one trace: a session, then turns."""
    ids = [f"span{n:04}".encode() for n in range(spans_count)]
    times, spans = [], [None]
    while len(spans) < spans_count:
        turn, place = divmod(len(spans) - 1, len(TURN))
        name, parent, begin, end = TURN[place]
        parent = 0 if parent == 0 else turn * len(TURN) + parent
        spans.append(span_of(rng, len(spans), name, parent, ids, turn * 4000 + begin, turn * 4000 + end, times))
    length = (spans_count // len(TURN) + 1) * 4000
    spans[0] = span_of(rng, 0, "agent_session", None, ids, 0, length, times)
    resource = {"service.name": "reception-agent", "livekit.room.id": ROOM_MARK, "telemetry.sdk.language": "python"}
    # The session ends last, and so it comes last.
    order = spans[1:] + spans[:1]
    size = -(-len(order) // EXPORTS_OF_A_TRACE)
    parts = [order[at:at + size] for at in range(0, len(order), size)]
    return [Template(part, {"ids": ids, "times": [one for one in times if any(
        one[0] in (span.start_time_unix_nano, span.end_time_unix_nano) for span in part)]}, resource) for part in parts]


class Stock:
    """Sends `traces` traces whose starts are spread evenly over a time, newest last."""

    def __init__(self, port, key, traces, spans_of_a_trace, seed):
        rng = random.Random(seed)
        self.port, self.key, self.traces, self.spans = port, key, traces, spans_of_a_trace
        self.templates = [template_of(rng, spans_of_a_trace) for _ in range(TEMPLATES)]
        self.seed = seed
        self.next = 0
        self.lock = threading.Lock()
        self.failure = None

    def start_of(self, number, begin, length):
        return begin + length * number // self.traces

    def _exports(self, first, count, begin, length):
        rng = random.Random(f"{self.seed} {first}")
        bodies = [bytearray() for _ in range(EXPORTS_OF_A_TRACE)]
        for number in range(first, first + count):
            room = ("RM_" + "".join(rng.choices(LETTERS, k=12))).encode()
            trace, ids = rng.randbytes(16), rng.randbytes(8 * self.spans)
            for body, template in zip(bodies, rng.choice(self.templates)):
                body += template.filled(trace, room, ids, self.start_of(number, begin, length))
        return bodies

    def _take(self):
        with self.lock:
            first = self.next
            self.next += TRACES_OF_AN_EXPORT
        return first if self.failure is None and first < self.traces else None

    def _send(self, begin, length):
        client = Client(self.port, None, self.key, timeout=60)
        try:
            while (first := self._take()) is not None:
                for body in self._exports(first, min(TRACES_OF_AN_EXPORT, self.traces - first), begin, length):
                    answer = client.retrying("POST", "/v1/traces", bytes(body), {"Content-Type": "application/x-protobuf"}, 120)
                    assert answer.status == 200 and answer.body == b"", answer.body
        except BaseException as error:  # noqa: BLE001 - told to the thread that waits
            self.failure = error
        finally:
            client.close()

    def send(self, begin, length, connections, progress):
        threads = [threading.Thread(target=self._send, args=(begin, length)) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(10)
                progress(min(self.next, self.traces))
        if self.failure is not None:
            raise self.failure


