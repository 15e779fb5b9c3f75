"""The link equation, a second time and plainly (ARCHITECTURE.md, "The link equation").

    link(trace, call)  <=>  same project
                        and the trace is not skipped
                        and keys(trace) and keys(call) share at least one key

It is fed by the test's own log of what was sent and what was answered, and by nothing else. A
request that nobody answered may count or not, so that the log gives two sets of rows: those
that must be in table `link`, and those that may be.
"""

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

from .otlp import ExportTraceServiceRequest, spans_of

KINDS = {"external": 1, "livekit": 2, "vapi": 3, "observer": 4, "pipecat": 5, "trace": 6}
VALUE_CHARS_MAX = 255

Key = tuple[str, bytes]
Row = tuple[str, str, str, int, bytes]  # project, conversation, trace in hex, kind, value

# Attribute -> (kind, where it counts, prefix its value must have).
ATTRIBUTES = {
    "roark.external_id": ("external", "resource span", ""),
    "livekit.room.id": ("livekit", "resource span", ""),
    "room_id": ("livekit", "resource span", "RM_"),
    "lk.room_sid": ("livekit", "resource span", "RM_"),
    "gen_ai.conversation.id": ("livekit", "resource span", "RM_"),
    "vapi.call.id": ("vapi", "resource", ""),
}
CREATE_FIELDS = {
    "call": {"externalId": "external", "livekitRoomId": "livekit", "vapiCallId": "vapi"},
    "chat": {"externalId": "external", "traceId": "trace"},
}


@dataclass
class Facts:
    """What one trace has shown so far."""

    keys: set[Key] = field(default_factory=set)
    skip: bool = False

    def add(self, other: "Facts"):
        self.keys |= other.keys
        self.skip = self.skip or other.skip


def key_text(value) -> str | None:
    """The text of an attribute that may be a key: a text, or an integer in decimal."""
    which = value.WhichOneof("value")
    if which == "string_value":
        return value.string_value
    if which == "int_value":
        return str(value.int_value)
    return None


def _keys_of(attributes, where: str, scope: str = "") -> set[Key]:
    keys: set[Key] = set()
    for attribute in attributes:
        text = key_text(attribute.value)
        if text is None or not 1 <= len(text) <= VALUE_CHARS_MAX:
            continue
        if attribute.key in ATTRIBUTES:
            kind, places, prefix = ATTRIBUTES[attribute.key]
            if where in places.split() and text.startswith(prefix):
                keys.add((kind, text.encode()))
        if attribute.key == "conversation.id" and where == "span" and scope.startswith("pipecat"):
            keys.add(("pipecat", text.encode()))
    return keys


def _is_skip(attributes) -> bool:
    for attribute in attributes:
        if attribute.key != "roark.skip":
            continue
        which = attribute.value.WhichOneof("value")
        if which == "bool_value" and attribute.value.bool_value:
            return True
        if which == "string_value" and attribute.value.string_value == "true":
            return True
    return False


def is_valid_span(span) -> bool:
    return (len(span.trace_id) == 16 and any(span.trace_id)
            and len(span.span_id) == 8 and any(span.span_id))


def trace_facts(request: ExportTraceServiceRequest) -> dict[str, Facts]:
    """What one export says, per trace id in hex."""
    found: dict[str, Facts] = {}
    for resource_spans in request.resource_spans:
        resource = resource_spans.resource.attributes
        shared = Facts(_keys_of(resource, "resource"), _is_skip(resource))
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                if not is_valid_span(span):
                    continue
                trace = span.trace_id.hex()
                facts = found.setdefault(trace, Facts({("trace", trace.encode())}))
                facts.add(shared)
                facts.keys |= _keys_of(span.attributes, "span", scope_spans.scope.name)
    return found


def span_ids(request: ExportTraceServiceRequest) -> dict[str, set[bytes]]:
    found: dict[str, set[bytes]] = defaultdict(set)
    for span in spans_of(request):
        if is_valid_span(span):
            found[span.trace_id.hex()].add(span.span_id)
    return found


def create_keys(kind: str, body: dict) -> set[Key]:
    """The keys that a create names."""
    keys: set[Key] = set()
    for name, key_kind in CREATE_FIELDS[kind].items():
        value = body.get(name)
        if isinstance(value, str):
            keys.add((key_kind, value.encode()))
    return keys


def skipped_traces(traces: dict[tuple[str, str], Facts]) -> set[tuple[str, str]]:
    """A trace with roark.skip, and every trace in a room that such a trace names."""
    flagged = {(project, key) for (project, _), facts in traces.items() if facts.skip
               for key in facts.keys if key[0] == "livekit"}
    return {name for name, facts in traces.items()
            if facts.skip or any((name[0], key) in flagged for key in facts.keys)}


@dataclass
class Attempt:
    """One request and its answer: `status` 0 while nobody has answered."""

    sent: float = field(default_factory=time.monotonic)
    answered: float | None = None
    status: int = 0

    def answer(self, status: int):
        self.status = status
        self.answered = time.monotonic()

    @property
    def is_accepted(self) -> bool:
        return self.status == 200

    @property
    def is_open(self) -> bool:
        """May have been done: no answer, or one that promises nothing."""
        return self.status == 0 or self.status >= 500


@dataclass
class Export:
    project: str
    facts: dict[str, Facts]
    spans: dict[str, set[bytes]]  # span ids of each trace
    attempts: list[Attempt] = field(default_factory=list)


@dataclass
class Create:
    project: str
    kind: str
    body: dict
    keys: set[Key]
    attempts: list[Attempt] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)  # one per accepted attempt


class Log:
    """What was sent and what was answered. Threads may share it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.exports: list[Export] = []
        self.creates: list[Create] = []

    def export(self, project: str, request: ExportTraceServiceRequest) -> Export:
        entry = Export(project, trace_facts(request), span_ids(request))
        with self.lock:
            self.exports.append(entry)
        return entry

    def create(self, project: str, kind: str, body: dict) -> Create:
        entry = Create(project, kind, body, create_keys(kind, body))
        with self.lock:
            self.creates.append(entry)
        return entry

    def attempt(self, entry: Export | Create) -> Attempt:
        """Say so before the first byte goes out."""
        attempt = Attempt()
        with self.lock:
            entry.attempts.append(attempt)
        return attempt

    def answer(self, entry: Export | Create, attempt: Attempt, status: int, call_id=None):
        with self.lock:
            attempt.answer(status)
            if isinstance(entry, Create) and attempt.is_accepted:
                entry.ids.append(call_id)


def is_sure(entry: Export | Create) -> bool:
    return any(attempt.is_accepted for attempt in entry.attempts)


def is_possible(entry: Export | Create) -> bool:
    return any(attempt.is_accepted or attempt.is_open for attempt in entry.attempts)


@dataclass
class Expectation:
    """What table `link` must and may hold."""

    must: set[Row]
    may: set[Row]
    # Rows without their conversation that a create without a known id may have, and how many
    # ids it may have made.
    unknown: list[tuple[Create, set[tuple[str, str, int, bytes]], int]]


def _merge(exports, counts) -> dict[tuple[str, str], Facts]:
    traces: dict[tuple[str, str], Facts] = {}
    for export in exports:
        if not counts(export):
            continue
        for trace, facts in export.facts.items():
            traces.setdefault((export.project, trace), Facts()).add(facts)
    return traces


def _index(traces, skipped) -> dict[tuple[str, Key], set[str]]:
    """(project, key) -> traces that are not skipped."""
    index = defaultdict(set)
    for (project, trace), facts in traces.items():
        if (project, trace) not in skipped:
            for key in facts.keys:
                index[project, key].add(trace)
    return index


def expect(log: Log) -> Expectation:
    """The equation over the log. Monotone, so that two worlds bound every other: in the least
    one only accepted requests count, in the greatest the open ones do too. Skips work the
    other way round, so that each world takes the other's."""
    with log.lock:
        exports, creates = list(log.exports), list(log.creates)
        sure, perhaps = _merge(exports, is_sure), _merge(exports, is_possible)
        must_index = _index(sure, skipped_traces(perhaps))
        may_index = _index(perhaps, skipped_traces(sure))
        must: set[Row] = set()
        may: set[Row] = set()
        unknown = []
        for create in creates:
            for conversation in set(create.ids):
                must |= _rows(create, conversation, must_index)
                may |= _rows(create, conversation, may_index)
            # A create that was refused, or answered with the call of an earlier try, may have been
            # met by a trace before it was (Redis had forgotten who holds the key): its rows name a
            # call that never came, which no read shows and the reconciler removes.
            spare = sum(1 for a in create.attempts if a.is_open or a.status == 409)
            spare += len(create.ids) - len(set(create.ids))
            if spare:
                rows = {(p, t, k, v) for p, _, t, k, v in _rows(create, "", may_index)}
                unknown.append((create, rows, spare))
    return Expectation(must, may, unknown)


def _rows(create: Create, conversation: str, index) -> set[Row]:
    return {(create.project, conversation, trace, KINDS[kind], value)
            for kind, value in create.keys
            for trace in index.get((create.project, (kind, value)), ())}


def check_links(log: Log, actual: set[Row]) -> list[str]:
    """Every way in which table `link` is not what the log says; empty when it is."""
    wanted = expect(log)
    problems = [f"missing link {row}" for row in sorted(wanted.must - actual)]
    known = {call for create in log.creates for call in create.ids}
    strangers = defaultdict(set)
    for row in sorted(actual - wanted.may):
        if row[1] in known:
            problems.append(f"link that must not be {row}")
        else:
            strangers[row[1]].add((row[0], row[2], row[3], row[4]))
    problems += _place_strangers(strangers, wanted.unknown)
    return problems


@dataclass
class Spans:
    """What reading one trace must and may give."""

    must: set[bytes]
    may: set[bytes]
    is_skipped: bool


def expect_spans(log: Log) -> dict[tuple[str, str], Spans]:
    """Per (project, trace) of which every skip is certain one way or the other."""
    with log.lock:
        exports = list(log.exports)
        sure = skipped_traces(_merge(exports, is_sure))
        perhaps = skipped_traces(_merge(exports, is_possible))
        found: dict[tuple[str, str], Spans] = {}
        for export in exports:
            for trace, spans in export.spans.items():
                name = (export.project, trace)
                if (name in perhaps) != (name in sure):
                    continue
                entry = found.setdefault(name, Spans(set(), set(), name in sure))
                if is_sure(export):
                    entry.must |= spans
                if is_possible(export):
                    entry.may |= spans
    return found


def _place_strangers(strangers, unknown) -> list[str]:
    """Gives every conversation id that no answer named to a create without an answer."""
    places = []
    for create, rows, spare in unknown:
        places += [rows] * spare
    taken: dict[int, str] = {}

    def place(call: str, seen: set[int]) -> bool:
        for n, rows in enumerate(places):
            if n not in seen and strangers[call] <= rows:
                seen.add(n)
                if n not in taken or place(taken[n], seen):
                    taken[n] = call
                    return True
        return False

    return [f"links of a call that nobody made: {call} {sorted(strangers[call])}"
            for call in sorted(strangers) if not place(call, set())]


def check_answers(log: Log) -> list[str]:
    """Uniqueness as the clients saw it: one success per key, no refusal without a holder, and
    one answer to a request however often it is sent."""
    problems = []
    holders: dict[tuple[str, Key], list[Create]] = defaultdict(list)
    for create in log.creates:
        if len(set(create.ids)) > 1:
            problems.append(f"one request made several calls {create.ids}: {create.body}")
        for key in create.keys:
            if key[0] != "trace":
                holders[create.project, key].append(create)
    for (project, key), creates in holders.items():
        winners = [create for create in creates if create.ids]
        if len({i for create in winners for i in create.ids}) > 1:
            problems.append(f"key {key} of project {project} has several calls: "
                            f"{[create.ids for create in winners]}")
    for create in log.creates:
        for attempt in create.attempts:
            if attempt.status == 409 and not _holder(create, attempt, holders):
                problems.append(f"409 without a holder: {create.kind} {create.body}")
    return problems


def _holder(refused: Create, attempt: Attempt, holders) -> bool:
    """Whether another create that holds a key of this one may have been done by then."""
    for key in refused.keys:
        for other in holders.get((refused.project, key), ()):
            if other is refused:
                continue
            if any((a.is_accepted or a.is_open) and a.sent < attempt.answered
                   for a in other.attempts):
                return True
    return False
