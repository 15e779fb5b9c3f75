"""What a simulated fleet sends: seeded, pure, and nasty on purpose.

A story is a handful of calls, chats and traces around keys that match, collide, come late,
twice, out of order, split over exports or skipped. Stories of all projects are shuffled into
one list of events.
"""

import random
import uuid
from dataclasses import dataclass, field

from support import otlp


@dataclass
class ExportEvent:
    at: float
    project: int
    request: otlp.ExportTraceServiceRequest
    encoding: str
    gzip: bool
    gives_up: bool  # one try only, so that no answer stays no answer


@dataclass
class CreateEvent:
    at: float
    project: int
    kind: str
    body: dict
    retry: str  # "key": Idempotency-Key; "count": X-Stainless-Retry-Count; "none": one try
    again: bool  # asks once more after a success


@dataclass
class Trace:
    """One trace on its way: what stands on its resource, on some span, and when."""

    resource: dict = field(default_factory=dict)
    attrs: dict = field(default_factory=dict)
    scope: str = "tests"
    key_at_end: bool = False  # the attributes stand on the root, which comes last
    skip_late: bool = False
    exports: int = 2
    id: bytes = b""


class Teller:
    """Tells stories until there are enough events."""

    def __init__(self, seed: int, projects: int = 3):
        self.random = random.Random(seed)
        self.projects = projects
        self.serial = 0
        self.events: list[ExportEvent | CreateEvent] = []
        self.start = 0.0
        self.width = 0.5  # how far the events of a story lie apart
        self.stories = [
            (10, self.plain), (6, self.room), (3, self.vapi), (5, self.chat), (4, self.two_keys),
            (6, self.across_projects), (4, self.across_kinds), (6, self.rivals),
            (4, self.crossed_rivals), (5, self.skipped), (6, self.skipped_room),
            (3, self.near_misses), (3, self.integer), (3, self.many_traces), (2, self.lonely)]

    def tell(self, events: int) -> list[ExportEvent | CreateEvent]:
        weights = [weight for weight, _ in self.stories]
        while len(self.events) < events:
            story = self.random.choices(self.stories, weights)[0][1]
            # Half of the stories happen all at once: both sides of a link are in flight together.
            self.width = self.random.choice([0.001, 0.5])
            story()
            self.start += 0.02
        self.events.sort(key=lambda event: event.at)
        return self._merged(self.events)

    def _merged(self, events):
        """Some exports of one project travel in one request, as a Collector sends them."""
        out = []
        for event in events:
            last = out[-1] if out else None
            if (isinstance(event, ExportEvent) and isinstance(last, ExportEvent)
                    and event.project == last.project and self.random.random() < 0.3):
                last.request.MergeFrom(event.request)
            else:
                out.append(event)
        return out

    # Pieces

    def text(self, prefix: str) -> str:
        self.serial += 1
        return f"{prefix}{self.serial}-{self.random.randrange(16**8):08x}"

    def project(self) -> int:
        return self.random.randrange(self.projects)

    def at(self) -> float:
        return self.start + self.random.expovariate(1 / self.width)

    def create(self, project: int, kind: str, body: dict):
        body = {**body, "properties": {"serial": self.text("s")}}
        if kind == "call":
            body.update({"interfaceType": "PHONE", "callDirection": "INBOUND"})
        else:
            body.update({"startTimestamp": "2026-01-02T03:04:05Z",
                         "endTimestamp": "2026-01-02T03:05:05Z", "messages": []})
        retry = self.random.choices(["key", "count", "none"], [5, 4, 2])[0]
        again = retry != "none" and self.random.random() < 0.2
        self.events.append(CreateEvent(self.at(), project, kind, body, retry, again))

    def spans(self, project: int, trace: Trace):
        """The trace's spans, split over its exports, some of them sent twice."""
        trace.id = trace.id or self.random.randbytes(15) + b"\x01"
        root = self.random.randbytes(7) + b"\x01"
        pieces = []
        for n in range(trace.exports):
            is_last = n == trace.exports - 1
            spans = [otlp.span(trace.id, f"step {n}", None, root,
                               self.random.randbytes(7) + b"\x01", 1_700_000_000_000_000_000 + n)
                     for _ in range(self.random.randint(1, 3))]
            if is_last:
                spans.append(otlp.span(trace.id, "root", None, b"", root,
                                       1_700_000_000_000_000_000))
            carries = is_last if trace.key_at_end else n == 0
            if carries:
                spans[-1].attributes.extend(otlp.attributes(trace.attrs))
            resource = dict(trace.resource)
            if trace.skip_late and not is_last:
                resource.pop("roark.skip", None)
            pieces.append(otlp.request(spans, resource, trace.scope))
        for piece in pieces:
            self.export(project, piece)
            if self.random.random() < 0.1:
                self.export(project, piece)

    def export(self, project: int, request):
        copy = otlp.ExportTraceServiceRequest()
        copy.CopyFrom(request)
        self.events.append(ExportEvent(
            self.at(), project, copy, self.random.choice(["protobuf", "protobuf", "json"]),
            self.random.random() < 0.3, self.random.random() < 0.05))

    def place(self, attribute: str, value) -> Trace:
        """The attribute on the resource, on a first span, or on the root at the end."""
        where = self.random.randrange(3)
        exports = self.random.randint(1, 4)
        if where == 0:
            return Trace(resource={attribute: value}, exports=exports)
        return Trace(attrs={attribute: value}, key_at_end=where == 2, exports=exports)

    # Stories

    def plain(self):
        project, value = self.project(), self.text("ext-")
        self.create(project, "call", {"externalId": value})
        self.spans(project, self.place("roark.external_id", value))

    def room(self):
        project, value = self.project(), self.text("RM_")
        self.create(project, "call", {"livekitRoomId": value})
        name = self.random.choice(["livekit.room.id", "room_id", "lk.room_sid",
                                   "gen_ai.conversation.id"])
        self.spans(project, self.place(name, value))

    def vapi(self):
        project = self.project()
        value = str(uuid.UUID(bytes=self.random.randbytes(16), version=4))
        self.create(project, "call", {"vapiCallId": value})
        self.spans(project, Trace(resource={"vapi.call.id": value}))

    def chat(self):
        project, value = self.project(), self.text("chat-")
        trace = self.place("roark.external_id", value)
        trace.id = self.random.randbytes(15) + b"\x02"
        if self.random.random() < 0.5:
            self.create(project, "chat", {"externalId": value})
        if self.random.random() < 0.7:
            self.create(project, "chat", {"traceId": trace.id.hex()})
        self.spans(project, trace)

    def two_keys(self):
        """One trace with two keys of two calls, or both of one call."""
        project = self.project()
        value, room = self.text("ext-"), self.text("RM_")
        if self.random.random() < 0.5:
            self.create(project, "call", {"externalId": value, "livekitRoomId": room})
        else:
            self.create(project, "call", {"externalId": value})
            self.create(project, "call", {"livekitRoomId": room})
        self.spans(project, Trace(resource={"livekit.room.id": room},
                                  attrs={"roark.external_id": value}, key_at_end=True,
                                  exports=3))

    def across_projects(self):
        """The same values in every project; each must find its own."""
        value = self.text("shared-")
        for project in range(self.projects):
            if self.random.random() < 0.7:
                self.create(project, self.random.choice(["call", "chat"]), {"externalId": value})
            if self.random.random() < 0.7:
                self.spans(project, self.place("roark.external_id", value))

    def across_kinds(self):
        """One text under several kinds."""
        project, value = self.project(), self.text("RM_")
        self.create(project, "call", {"externalId": value})
        if self.random.random() < 0.5:
            self.create(project, "call", {"livekitRoomId": value})
        self.spans(project, self.place("livekit.room.id", value))
        if self.random.random() < 0.5:
            self.spans(project, self.place("roark.external_id", value))
        self.spans(project, Trace(attrs={"conversation.id": value}, scope="pipecat.turn"))

    def rivals(self):
        """Two or three creates of one key: one wins."""
        project, value = self.project(), self.text("rival-")
        for _ in range(self.random.randint(2, 3)):
            self.create(project, self.random.choice(["call", "chat"]), {"externalId": value})
        self.spans(project, self.place("roark.external_id", value))

    def crossed_rivals(self):
        project = self.project()
        a, b, c = self.text("RM_"), self.text("cross-"), self.text("cross-")
        self.create(project, "call", {"livekitRoomId": a, "externalId": b})
        self.create(project, "call", {"livekitRoomId": a, "externalId": c})
        self.create(project, "chat", {"externalId": self.random.choice([b, c])})
        self.spans(project, self.place("roark.external_id", b))
        self.spans(project, self.place("roark.external_id", c))

    def skipped(self):
        project, value = self.project(), self.text("skip-")
        skip = self.random.choice([True, True, "true", False, "false", "TRUE"])
        self.create(project, "call", {"externalId": value})
        self.spans(project, Trace(resource={"roark.external_id": value, "roark.skip": skip},
                                  skip_late=self.random.random() < 0.6, exports=3))

    def skipped_room(self):
        """One skipped trace flags the room of the others, whichever comes first."""
        project, room = self.project(), self.text("RM_")
        self.create(project, "call", {"livekitRoomId": room})
        for n in range(self.random.randint(2, 3)):
            resource = {"livekit.room.id": room}
            if n == 0:
                resource["roark.skip"] = True
            trace = Trace(resource=resource, exports=self.random.randint(1, 3),
                          skip_late=self.random.random() < 0.5)
            if self.random.random() < 0.4:
                # The room stands in one export, the skip in another.
                trace = Trace(resource={k: v for k, v in resource.items() if k == "roark.skip"},
                              attrs={"livekit.room.id": room}, exports=2, skip_late=True)
            self.spans(project, trace)

    def near_misses(self):
        project, value = self.project(), self.text("Near-")
        self.create(project, "call", {"externalId": value})
        wrong = self.random.choice([
            ("roark.external_id", value.lower()), ("roark.external_id", value + " "),
            ("roark.externalId", value), ("external_id", value), ("room_id", value),
            ("roark.external_id", "x" * 256), ("roark.external_id", "")])
        self.spans(project, self.place(*wrong))

    def integer(self):
        project = self.project()
        self.serial += 1
        number = self.serial * 1_000_003
        self.create(project, "call", {"externalId": str(number)})
        self.spans(project, self.place("roark.external_id", number))

    def many_traces(self):
        project, value = self.project(), self.text("many-")
        self.create(project, "call", {"externalId": value})
        for _ in range(self.random.randint(3, 6)):
            self.spans(project, self.place("roark.external_id", value))

    def lonely(self):
        project = self.project()
        self.create(project, "call", {"externalId": self.text("alone-")})
        self.create(project, "call", {})
        self.spans(project, self.place("roark.external_id", self.text("orphan-")))
