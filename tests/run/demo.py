"""./calltrace demo: plays one voice call into a running calltrace and shows what was linked.

Needs Python's standard library only. The settings come from var/env: CALLTRACE_URL, CALLTRACE_API_KEY,
CALLTRACE_CA. Every run makes new ids. Exit code 0 when the call's trace was found linked and whole.
"""

import http.client
import json
import os
import secrets
import ssl
import sys
import time
from urllib.parse import urlsplit

MS = 1_000_000
BAR_WIDTH = 34
NAME_WIDTH = 30


class Server:
    """One kept-alive connection, verified with the local CA; never through a proxy."""

    def __init__(self, url: str, key: str, ca: str):
        parts = urlsplit(url)
        context = ssl.create_default_context(cafile=ca)
        self.connection = http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=15,
                                                      context=context)
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, value=None):
        body = None if value is None else json.dumps(value).encode()
        self.connection.request(method, path, body, self.headers)
        answer = self.connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        if answer.status != 200:
            raise SystemExit(f"demo: {method} {path} was answered with {answer.status}: {text[:300]}")
        return json.loads(text)


class Call:
    """A call of a few turns, as LiveKit's agents trace it, in the shapes of OTLP/JSON."""

    TURNS = [("Hi, I'd like to move my appointment.", "Of course. To which day?"),
             ("Thursday, if there is something in the morning.", "Thursday at nine is free."),
             ("Perfect, thank you.", "See you on Thursday at nine.")]

    def __init__(self):
        self.external_id = f"demo-{secrets.token_hex(4)}"
        self.room = "RM_" + "".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(12))
        self.trace = secrets.token_hex(16)
        self.root = secrets.token_hex(8)
        self.seconds = 0
        self.turns = []  # one export each
        self.start = time.time_ns() - 21_000 * MS
        at = 400
        for number, (question, answer) in enumerate(self.TURNS):
            spans, at = self._turn(at, question, answer, with_tool=number == 1)
            self.turns.append(spans)
        self.end_ms = at + 300

    def span(self, name, start_ms, end_ms, parent, attributes=None):
        return {"traceId": self.trace, "spanId": secrets.token_hex(8), "parentSpanId": parent,
                "name": name, "kind": 1, "attributes": otlp_attributes(attributes or {}),
                "startTimeUnixNano": str(self.start + start_ms * MS),
                "endTimeUnixNano": str(self.start + end_ms * MS)}

    def _turn(self, at, question, answer, with_tool):
        """user_turn, then agent_turn with its stages. Children come before their parents."""
        heard = at + 1500 + 12 * len(question)
        user = self.span("user_turn", at, heard, self.root, {"lk.pii.user_transcript": question})
        agent = self.span("agent_turn", heard, 0, self.root, {"lk.pii.response.text": answer})
        spans, now = [user], heard
        if with_tool:
            spans.append(self.span("function_tool", now + 350, now + 910, agent["spanId"],
                                   {"gen_ai.tool.name": "find_free_slots"}))
            now += 910
        thought = now + 640
        spans.append(self.span("llm_node", now, thought, agent["spanId"],
                               {"gen_ai.request.model": "example-model", "lk.response.ttft": 0.31,
                                "gen_ai.usage.output_tokens": len(answer) // 4}))
        spoken = thought + 400 + 45 * len(answer)
        spans.append(self.span("tts_node", thought - 200, thought + 300, agent["spanId"],
                               {"lk.response.ttfb": 0.18}))
        spans.append(self.span("agent_speaking", thought + 100, spoken, agent["spanId"]))
        agent["endTimeUnixNano"] = str(self.start + spoken * MS)
        spans.append(agent)
        return spans, spoken + 250

    def root_span(self):
        span = self.span("agent_session", 0, self.end_ms, "", {"roark.external_id": self.external_id})
        span["spanId"] = self.root
        del span["parentSpanId"]
        return span

    def late_span(self):
        return self.span("drain_agent_activity", self.end_ms - 200, self.end_ms + 350, self.root)

    def export(self, spans):
        resource = {"service.name": "demo-agent", "livekit.room.id": self.room,
                    "roark.project.tag.env": "demo"}
        return {"resourceSpans": [{"resource": {"attributes": otlp_attributes(resource)},
                                   "scopeSpans": [{"scope": {"name": "livekit-agents"},
                                                   "spans": spans}]}]}

    def create(self):
        at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(self.start // 1_000_000_000))
        transcript, offset = [], 400
        for question, answer in self.TURNS:
            for role, text in (("CUSTOMER", question), ("AGENT", answer)):
                transcript.append({"role": role, "text": text, "startOffsetMs": offset,
                                   "endOffsetMs": offset + 1500})
                offset += 3000
        return {"externalId": self.external_id, "livekitRoomId": self.room, "startedAt": at,
                "recordingUrl": "https://example.com/demo.wav", "interfaceType": "WEB",
                "callDirection": "INBOUND", "endedStatus": "CUSTOMER_ENDED_CALL",
                "agent": {"name": "Front desk"}, "transcript": transcript}


def otlp_attributes(values):
    def any_value(value):
        if isinstance(value, int):
            return {"intValue": str(value)}
        if isinstance(value, float):
            return {"doubleValue": value}
        return {"stringValue": value}

    return [{"key": key, "value": any_value(value)} for key, value in values.items()]


def spans_of(trace):
    return [span for resource in trace["resourceSpans"] for scope in resource["scopeSpans"]
            for span in scope["spans"]]


def in_order(spans):
    """(span, depth), children under their parents by start time; a lost parent makes a root."""
    known = {span["spanId"] for span in spans}
    children = {}
    for span in sorted(spans, key=lambda one: int(one["startTimeUnixNano"])):
        parent = span.get("parentSpanId") or None
        children.setdefault(parent if parent in known else None, []).append(span)
    stack = [(span, 0) for span in reversed(children.get(None, []))]
    while stack:
        span, depth = stack.pop()
        yield span, depth
        stack.extend((child, depth + 1) for child in reversed(children.get(span["spanId"], [])))


def waterfall(spans):
    start = min(int(span["startTimeUnixNano"]) for span in spans)
    whole = max(int(span["endTimeUnixNano"]) for span in spans) - start
    for span, depth in in_order(spans):
        begin = int(span["startTimeUnixNano"]) - start
        length = int(span["endTimeUnixNano"]) - start - begin
        left = min(begin * BAR_WIDTH // whole, BAR_WIDTH - 1)
        bar = max(1, min(round(length * BAR_WIDTH / whole), BAR_WIDTH - left))
        name = ("  " * depth + span["name"])[:NAME_WIDTH]
        print(f"  {name:<{NAME_WIDTH}} |{' ' * left}{'#' * bar}{' ' * (BAR_WIDTH - left - bar)}|"
              f" {length / 1e9:6.2f} s")


def matches(entry):
    """The keys that link this trace, as text."""
    return [f"{match['kind']} {match['value']}" for match in entry["matches"]]


def step(number, what, outcome):
    print(f"  {number}. {what:<52} {outcome}")


def main():
    try:
        server = Server(os.environ["CALLTRACE_URL"], os.environ["CALLTRACE_API_KEY"],
                        os.environ["CALLTRACE_CA"])
    except KeyError as missing:
        raise SystemExit(f"demo: {missing} is not set: . var/env") from None
    call = Call()
    sent = 0
    print("One voice call, in the order in which real ones arrive:\n")
    for spans in call.turns:
        server.ask("POST", "/v1/traces", call.export(spans))
        sent += len(spans)
    step(1, f"{sent} spans of a running call, in {len(call.turns)} exports", "no call known yet")

    created = server.ask("POST", "/v1/call", call.create())["data"]["id"]
    traces_path = f"/v1/call/{created}/traces"
    linked = server.ask("GET", traces_path)["data"]
    by = ", ".join(key for entry in linked for key in matches(entry)) or "nothing"
    step(2, "POST /v1/call", f"linked by {by}")

    server.ask("POST", "/v1/traces", call.export([call.root_span()]))
    linked = server.ask("GET", traces_path)["data"]
    by = ", ".join(key for entry in linked for key in matches(entry)) or "nothing"
    step(3, "the root span, which brings roark.external_id", f"linked by {by}")

    server.ask("POST", "/v1/traces", call.export([call.late_span()]))
    sent += 2
    trace = server.ask("GET", f"/v1/traces/{call.trace}")
    found = spans_of(trace)
    step(4, "one late span, after the call has ended", f"{len(found)} of {sent} spans in the trace")

    print(f"\nGET {traces_path}")
    for entry in server.ask("GET", traces_path)["data"]:
        print(f"  trace {entry['traceId']}")
        for match in matches(entry):
            print(f"    linked by {match}")
    print(f"\nGET /v1/traces/{call.trace}")
    waterfall(found)
    if [entry["traceId"] for entry in linked] != [call.trace] or len(found) != sent:
        raise SystemExit("\ndemo: the call and its trace are not linked as they should be")
    print(f"\nThe call {call.external_id} and its trace are linked. Each demo makes a new call.")


try:
    main()
except (OSError, http.client.HTTPException) as error:
    print(f"demo: no answer from {os.environ['CALLTRACE_URL']}: {error} (./calltrace status)",
          file=sys.stderr)
    sys.exit(1)
