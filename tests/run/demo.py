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

    def serves(self, path: str) -> bool:
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status == 200

    def ask(self, method: str, path: str, value=None):
        body = None if value is None else json.dumps(value).encode()
        self.connection.request(method, path, body, self.headers)
        answer = self.connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        if answer.status != 200:
            raise SystemExit(f"demo: {method} {path} was answered with {answer.status}: {text[:300]}")
        return json.loads(text)


# What is said: the user, the agent, and the tool that the answer needs (name, arguments, result, ms, failed).
SCRIPT = [
    ("Hi, I'm calling about my orders.", "Of course. Which order is it?", None),
    ("The one from Monday, number five five two one.", "One moment. It left our house on Tuesday.",
     ("lookup_order", {"id": "5521"}, {"state": "shipped"}, 310, False)),
    ("When will it arrive?", "On Friday before noon.", None),
    ("Can I still change the address?", "Yes, until it is out for delivery.", None),
    ("Then send it to my office.", "Which street and number is that?", None),
    ("Harbour Street twelve.", "Done, it now goes to Harbour Street twelve.",
     ("change_address", {"id": "5521", "street": "Harbour Street 12"}, {"ok": True}, 420, False)),
    ("Great. And what does that cost?", "Nothing, the change is free.", None),
    ("And my other order?", "I am sorry, I could not find it. I will ask a colleague to call you.",
     ("lookup_order", {"id": "5522"}, "timeout: the order system did not answer", 2110, True)),
    ("When do they call?", "Today before six.", None),
    ("You have my number?", "Yes, the one that you call from.", None),
    ("Perfect.", "Is there anything else?", None),
    ("No, thank you.", "Then have a nice day.", None),
]
SLOWEST = 8


class Call:
    """A call of twelve turns as LiveKit's agents trace it, in the shapes of OTLP/JSON. In the eighth turn a
    tool fails and costs two seconds."""

    def __init__(self):
        self.external_id = f"demo-{secrets.token_hex(4)}"
        self.room = "RM_" + "".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(12))
        self.trace = secrets.token_hex(16)
        self.root = secrets.token_hex(8)
        self.context = [{"role": "system", "content": "You are the front desk of a shop. Answer briefly."}]
        self.transcript = []
        self.tools = []
        self.turns = []  # one export each
        self.start = 0
        at = 400
        for number, (question, answer, tool) in enumerate(SCRIPT, 1):
            spans, at = self._turn(number, at, question, answer, tool)
            self.turns.append(spans)
        self.end_ms = at + 300
        self.start = time.time_ns() - (self.end_ms + 2000) * MS

    def span(self, name, start_ms, end_ms, parent, attributes=None, error=None):
        """Times are milliseconds of the call until it is exported."""
        span = {"traceId": self.trace, "spanId": secrets.token_hex(8), "parentSpanId": parent,
                "name": name, "kind": 1, "attributes": otlp_attributes(attributes or {}),
                "startTimeUnixNano": start_ms, "endTimeUnixNano": end_ms}
        if error:
            span["status"] = {"code": 2, "message": error}
        return span

    def _llm(self, agent, begin, first_token, length, attributes):
        """A stage of the model and the request below it."""
        node = self.span("llm_node", begin, begin + length, agent,
                         {"gen_ai.request.model": "example-model", "lk.response.ttft": first_token / 1000,
                          "lk.pii.chat_ctx": json.dumps({"items": self.context}), **attributes})
        tokens = sum(len(json.dumps(one)) for one in self.context) // 4
        request = self.span("llm_request", begin, begin + length, node["spanId"],
                            {"gen_ai.operation.name": "chat", "gen_ai.request.model": "example-model",
                             "gen_ai.provider.name": "example", "gen_ai.usage.input_tokens": tokens,
                             "gen_ai.usage.output_tokens": 12 + length // 40})
        return [request, node]

    def _tool(self, agent, begin, tool):
        name, arguments, result, length, failed = tool
        call = f"call_{secrets.token_hex(4)}"
        text = result if isinstance(result, str) else json.dumps(result)
        self.context.append({"role": "assistant", "content": None, "tool_calls": [
            {"id": call, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}]})
        self.context.append({"role": "tool", "tool_call_id": call, "content": text})
        self.tools.append({"name": name, "parameters": arguments, "result": text, "startOffsetMs": begin,
                           "endOffsetMs": begin + length})
        return self.span("function_tool", begin, begin + length, agent,
                         {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name,
                          "gen_ai.tool.call.id": call, "gen_ai.tool.call.arguments": json.dumps(arguments),
                          "gen_ai.tool.call.result": text, "lk.function_tool.is_error": failed,
                          **({"error.type": "tool_error"} if failed else {})}, text if failed else None)

    def _turn(self, number, at, question, answer, tool):
        """What the user said, then the answer with its stages. Children come before their parents."""
        heard = at + 600 + 45 * len(question)
        waited = 380 + 17 * (number * 7 % 9)
        accepted = heard + waited
        user = self.span("user_turn", at, accepted, self.root,
                         {"lk.pii.user_transcript": question, "lk.transcription_delay": 0.21,
                          "lk.end_of_turn_delay": waited / 1000, "lk.transcript_confidence": 0.97})
        agent = self.span("agent_turn", accepted, 0, self.root, {})
        spans = [self.span("user_speaking", at, heard, user["spanId"]),
                 self.span("eou_detection", accepted - 60, accepted, user["spanId"],
                           {"lk.eou.probability": 0.91, "lk.eou.endpointing_delay": waited / 1000}), user]
        self.context.append({"role": "user", "content": question})
        now = accepted
        if tool:
            spans += self._llm(agent["spanId"], now, 250, 420, {"lk.pii.response.function_calls": tool[0]})
            now += 420
            spans.append(self._tool(agent["spanId"], now, tool))
            now += tool[3]
        first_token = 260 + 11 * (number * 5 % 7)
        spans += self._llm(agent["spanId"], now, first_token, 560, {"lk.pii.response.text": answer})
        sentence = now + first_token + 60  # the first sentence goes to the TTS
        audio = sentence + 180
        spoken = audio + 300 + 55 * len(answer)
        spans.append(self.span("tts_node", now + 20, spoken - 100, agent["spanId"],
                               {"gen_ai.request.model": "example-voice", "lk.response.ttfb": 0.18}))
        spans.append(self.span("agent_speaking", audio, spoken, agent["spanId"]))
        agent["endTimeUnixNano"] = spoken
        agent["attributes"] = otlp_attributes({
            "lk.speech_id": f"speech_{number}", "lk.interrupted": False, "lk.pii.user_input": question,
            "lk.pii.response.text": answer, "lk.e2e_latency": (audio - heard) / 1000})
        spans.append(agent)
        self.context.append({"role": "assistant", "content": answer})
        for role, text, begin, end in (("CUSTOMER", question, at, heard), ("AGENT", answer, audio, spoken)):
            self.transcript.append({"role": role, "text": text, "startOffsetMs": begin, "endOffsetMs": end})
        return spans, spoken + 350

    def root_span(self):
        span = self.span("agent_session", 0, self.end_ms, "", {"roark.external_id": self.external_id})
        span["spanId"] = self.root
        del span["parentSpanId"]
        return span

    def late_span(self):
        return self.span("drain_agent_activity", self.end_ms - 200, self.end_ms + 350, self.root)

    def export(self, spans):
        resource = {"service.name": "demo-agent", "livekit.room.id": self.room, "telemetry.sdk.language": "python",
                    "roark.project.tag.env": "demo"}
        timed = [{**span, "startTimeUnixNano": str(self.start + span["startTimeUnixNano"] * MS),
                  "endTimeUnixNano": str(self.start + span["endTimeUnixNano"] * MS)} for span in spans]
        return {"resourceSpans": [{"resource": {"attributes": otlp_attributes(resource)},
                                   "scopeSpans": [{"scope": {"name": "livekit-agents"},
                                                   "spans": timed}]}]}

    def create(self):
        seconds, rest = divmod(self.start, 1_000_000_000)
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // MS:03d}Z"
        return {"externalId": self.external_id, "livekitRoomId": self.room, "startedAt": at,
                "recordingUrl": "https://example.com/demo.wav", "interfaceType": "PHONE",
                "callDirection": "INBOUND", "endedStatus": "CUSTOMER_ENDED_CALL",
                "agent": {"name": "Front desk"}, "transcript": self.transcript, "toolInvocations": self.tools}


def otlp_attributes(values):
    def any_value(value):
        if isinstance(value, bool):
            return {"boolValue": value}
        if isinstance(value, int):
            return {"intValue": str(value)}
        if isinstance(value, float):
            return {"doubleValue": value}
        return {"stringValue": value}

    return [{"key": key, "value": any_value(value)} for key, value in values.items()]


def spans_of(trace):
    return [span for resource in trace["resourceSpans"] for scope in resource["scopeSpans"]
            for span in scope["spans"]]


STAGES = [("endOfTurn", "e"), ("llm", "L"), ("tools", "T"), ("firstSentence", "F"), ("tts", "S"),
          ("notMeasured", ".")]


def response_times(timeline):
    """One line a turn: the response time and where it went."""
    waits = [(turn, turn["waits"][0]) for turn in timeline["turns"] if turn["waits"]]
    most = max(wait["lengthNs"] for _, wait in waits)
    for turn, wait in waits:
        bar = "".join(mark * round(wait["parts"][stage] * BAR_WIDTH / most) for stage, mark in STAGES)
        said = (turn["said"] or "")[:NAME_WIDTH - 2]
        print(f"  {turn['number']:>2}  {wait['lengthNs'] / 1e9:5.2f} s  {bar:<{BAR_WIDTH}}  {said}")
    print("      e end of turn  L LLM  T tools  F first sentence  S TTS  . not measured")


def slowest_sentence(timeline):
    turn = max((turn for turn in timeline["turns"] if turn["waits"]), key=lambda one: one["waits"][0]["lengthNs"])
    wait = turn["waits"][0]
    stage = max(STAGES, key=lambda one: wait["parts"][one[0]])[0]
    return turn["number"], (f"Slowest: turn {turn['number']}, {wait['lengthNs'] / 1e9:.2f} s, of it {stage} "
                            f"{wait['parts'][stage] / 1e9:.2f} s")


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
    timeline = server.ask("GET", f"/v1/call/{created}/timeline")["data"]
    print(f"\nGET /v1/call/{created}/timeline")
    response_times(timeline)
    slowest, sentence = slowest_sentence(timeline)
    print(f"  {sentence}")
    if [entry["traceId"] for entry in linked] != [call.trace] or len(found) != sent or slowest != SLOWEST:
        raise SystemExit("\ndemo: the call and its trace are not linked as they should be")
    page = f"/calls/{created}"
    if server.serves(page):
        print(f"\n{os.environ['CALLTRACE_URL']}{page} shows it.")
    print(f"\nThe call {call.external_id} and its trace are linked. Each demo makes a new call.")


try:
    main()
except (OSError, http.client.HTTPException) as error:
    print(f"demo: no answer from {os.environ['CALLTRACE_URL']}: {error} (./calltrace status)",
          file=sys.stderr)
    sys.exit(1)
