"""VAPI: reports and server messages become calls with their traces, whatever comes first and however often."""

import base64
import json
import uuid

import pytest

from support import otlp, vapi
from support.described import described

PROTOBUF = "application/x-protobuf"


def new_id() -> str:
    return str(uuid.uuid4())


def trace_of(call_id: str) -> str:
    return uuid.UUID(call_id).hex


def imported(client, report, was_there=False, **more) -> str:
    """The call's id."""
    response = client.post_json("/v1/vapi/call", {"vapiEndOfCallReportPayload": report, **more})
    assert response.status == 200, response.body
    said = {"alreadyImported": True} if was_there else {}
    assert response.json() == {"data": {"callId": response.data["callId"], **said}}
    return response.data["callId"]


def sent(client, message, path="/v1/integrations/vapi", headers=None):
    return client.post_json(path, {"message": message}, headers)


def call_of(client, call: str) -> dict:
    response = client.get(f"/v1/call/{call}")
    assert response.status == 200, response.body
    return response.data


def tree_of(client, call_id: str) -> dict:
    response = client.get(f"/v1/traces/{trace_of(call_id)}/tree")
    assert response.status == 200, response.body
    return response.data


def outline(tree: dict) -> list[tuple]:
    """What a person sees: depth, name, offset and length in ms."""
    return [(span["depth"], span["name"], round(span["startOffsetMs"]), round(span["durationMs"]))
            for span in tree["spans"]]


def traces_of(client, call: str) -> list[dict]:
    response = client.get(f"/v1/call/{call}/traces")
    assert response.status == 200, response.body
    return response.data


def octets_of(client, call_id: str) -> bytes:
    response = client.get(f"/v1/traces/{trace_of(call_id)}", {"Accept": PROTOBUF})
    assert response.status == 200, response.body
    return response.body


def voice(tree: dict, name: str) -> list[dict]:
    return [span["voice"] for span in tree["spans"] if span["name"] == name]


# --- the call ----------------------------------------------------------------------------------------


def test_a_report_becomes_a_call(client):
    call_id = new_id()
    call = imported(client, vapi.report(call_id), properties={"tier": "gold"})
    shown = described("Call", call_of(client, call))
    assert shown["vapiCallId"] == call_id
    assert shown["status"] == "ENDED" and shown["endedStatus"] == "CUSTOMER_ENDED_CALL"
    assert shown["callDirection"] == "INBOUND" and shown["interfaceType"] == "PHONE"
    assert shown["startedAt"] == vapi.iso(vapi.START_MS)
    assert shown["endedAt"] == vapi.iso(vapi.START_MS + 15_000) and shown["durationMs"] == 15_000
    assert shown["recordingUrl"] == "https://storage.vapi.ai/mono.wav"
    assert shown["stereoRecordingUrl"] == "https://storage.vapi.ai/stereo.wav"
    assert shown["summary"] == "The caller asked for the opening hours."
    assert shown["properties"] == {"tier": "gold"} and shown["source"] == "vapi"
    assert [one["phoneNumberE164"] for one in shown["customers"]] == ["+4915112345678"]
    (tool,) = shown["toolInvocations"]
    assert tool == {"name": "opening_hours", "parameters": {"day": "monday"},
                    "result": {"from": "9:00"}, "startOffsetMs": 6400, "endOffsetMs": 7000}
    transcript = client.get(f"/v1/call/{call}/transcript").data["entries"]
    assert [(one["role"], one["text"], one["startOffsetMs"], one["endOffsetMs"])
            for one in transcript] == [
        ("AGENT", "Hello, this is Ada.", 1200, 3000),
        ("CUSTOMER", "When do you open?", 4000, 5500),
        ("AGENT", "We open at nine.", 7900, 9500),
        ("CUSTOMER", "Thank you.", 10500, 11200),
        ("AGENT", "You are welcome.", 12000, 13000)]


def test_a_server_message_does_the_same(client):
    call_id = new_id()
    response = sent(client, vapi.report(call_id))
    assert response.status == 200
    assert call_of(client, response.data["callId"])["vapiCallId"] == call_id
    assert len(tree_of(client, call_id)["spans"]) > 10


def test_an_older_report_has_its_fields_at_the_top(client):
    old = vapi.report(new_id())
    artifact = old.pop("artifact")
    old.update(messages=artifact["messages"], recordingUrl=artifact["recordingUrl"],
               summary=old.pop("analysis")["summary"])
    shown = call_of(client, imported(client, old))
    assert shown["recordingUrl"] == artifact["recordingUrl"]
    assert shown["summary"] == "The caller asked for the opening hours."
    assert len(shown["toolInvocations"]) == 1


def test_a_call_of_their_api_is_taken_for_its_report(client):
    message = vapi.report(new_id())
    call = {**message["call"], "artifact": message["artifact"], "costs": message["costs"],
            "startedAt": message["startedAt"], "endedAt": message["endedAt"],
            "endedReason": "silence-timed-out"}
    shown = call_of(client, imported(client, call))
    assert shown["endedStatus"] == "SILENCE_TIME_OUT" and shown["durationMs"] == 15_000
    assert len(tree_of(client, call["id"])["spans"]) > 10


# --- the trace ---------------------------------------------------------------------------------------


def test_the_messages_tell_the_trace(client):
    call_id = new_id()
    call = imported(client, vapi.report(call_id))
    (trace,) = traces_of(client, call)
    assert trace["traceId"] == trace_of(call_id)
    tree = tree_of(client, call_id)
    assert outline(tree) == [
        (0, "call", 0, 15000),
        (1, "turn", 1200, 1800),
        (2, "voice", 1200, 1800),
        (1, "turn", 4000, 5500),
        (2, "transcriber", 4000, 1500),
        (2, "endpointing", 5500, 180),
        (2, "model", 5680, 720),
        (2, "tool", 6400, 600),
        (2, "model", 7000, 900),
        (2, "voice", 7900, 1600),
        (1, "turn", 10500, 2500),
        (2, "transcriber", 10500, 700),
        (2, "endpointing", 11200, 150),
        (2, "model", 11350, 650),
        (2, "voice", 12000, 1000)]
    assert {span["service"] for span in tree["spans"]} == {"vapi"}
    turns = voice(tree, "turn")
    assert [turn.get("responseLatencyMs") for turn in turns] == [None, 2400, 800]
    models = voice(tree, "model")
    assert models[0]["model"] == "gpt-4o" and models[0]["provider"] == "openai"
    assert [model.get("timeToFirstTokenMs") for model in models] == [600, None, 300]
    (tool,) = voice(tree, "tool")
    assert tool["toolName"] == "opening_hours" and tool["toolCallId"] == "call_1"
    assert [one["timeToFirstByteMs"] for one in voice(tree, "voice")[1:]] == [250, 200]
    assert [one["transcriptionDelayMs"] for one in voice(tree, "transcriber")] == [120, 100]
    assert [one["endOfTurnMs"] for one in voice(tree, "endpointing")] == [180, 150]
    (root,) = voice(tree, "call")
    assert (root["tokensIn"], root["tokensOut"], root["tokensCached"]) == (1200, 90, 512)
    stages = {span["name"]: span["voice"]["stage"] for span in tree["spans"]}
    assert stages == {"call": "session", "turn": "agent", "transcriber": "stt", "model": "llm",
                      "endpointing": "end_of_turn", "tool": "tool", "voice": "tts"}


LOG_OUTLINE = [
    (0, "call", 0, 15000),
    (1, "turn", 900, 2100),
    (2, "voice", 1000, 1800),
    (1, "turn", 4300, 5200),
    (2, "transcriber", 4300, 1320),
    (2, "endpointing", 5500, 180),
    (2, "model", 5700, 680),
    (2, "tool", 6400, 600),
    (2, "model", 7010, 690),
    (2, "voice", 7600, 1800),
    (1, "turn", 11200, 1410),
    (2, "transcriber", 11200, 100),
    (2, "endpointing", 11300, 150),
    (2, "model", 11400, 300),
    (2, "voice", 11700, 200),
    (1, "turn", 12600, 0),
]


@pytest.mark.parametrize("form", ["gzip", "base64", "text", "records"])
def test_the_log_tells_the_trace(client, form):
    call_id = new_id()
    log = {"gzip": vapi.log_base64(), "text": vapi.log_lines().decode(),
           "base64": base64.b64encode(vapi.log_lines()).decode(),
           "records": vapi.log_records()}[form]
    imported(client, vapi.report(call_id), callLog=log)
    tree = tree_of(client, call_id)
    assert outline(tree) == LOG_OUTLINE
    turns = voice(tree, "turn")
    assert [turn["isInterrupted"] for turn in turns] == [False, False, True, False]
    assert [turn.get("responseLatencyMs") for turn in turns] == [None, 2400, 800, None]
    assert [model["timeToFirstTokenMs"] for model in voice(tree, "model")] == [600, 490, 300]
    (tool,) = voice(tree, "tool")
    assert tool["toolName"] == "opening_hours"  # the messages name it
    assert [one["timeToFirstByteMs"] for one in voice(tree, "voice")] == [180, 250, 200]


def test_a_failed_tool_and_a_failed_call_are_errors(client):
    call_id = new_id()
    records = [vapi.record(1000, "assistant.model.requestStarted", "1", "m"),
               vapi.record(1500, "assistant.tool.started", "1", "t", toolName="pay"),
               vapi.record(2500, "assistant.tool.failed", "1", "t", error="HTTP 500")]
    imported(client, vapi.report(call_id, endedReason="pipeline-error-openai-llm-failed",
                                 artifact={"messages": []}), callLog=records)
    tree = tree_of(client, call_id)
    by_name = {span["name"]: span for span in tree["spans"]}
    assert by_name["tool"]["status"] == "error" and by_name["tool"]["voice"]["errorType"] == "HTTP 500"
    assert by_name["tool"]["voice"]["toolName"] == "pay"
    assert by_name["call"]["status"] == "error"
    assert by_name["call"]["voice"]["errorType"] == "pipeline-error-openai-llm-failed"
    assert tree["errorCount"] == 2


def test_broken_lines_and_strange_records_cost_themselves_alone(cluster, client):
    call_id = new_id()
    before = cluster.apis[0].metrics()["calltrace_api_vapi_log_lines_left_out_total"]
    lines = vapi.log_lines()
    odd = (b"{half\n[]\n{}\n\n" + b'{"time":"soon","attributes":{}}\n' + lines +
           b'{"time":1772000001000,"attributes":{"event":"new.event","turnId":"1"}}\n\xff\xfe\n' +
           b'{"time":1772000001000,"time":2,"attributes":{}}\n')
    imported(client, vapi.report(call_id), callLog=base64.b64encode(odd).decode())
    assert outline(tree_of(client, call_id)) == LOG_OUTLINE
    after = cluster.apis[0].metrics()["calltrace_api_vapi_log_lines_left_out_total"]
    assert after - before == 6


@pytest.mark.parametrize("log", ["!!!", base64.b64encode(b"\x1f\x8b\x08broken").decode(), 7, {}])
def test_a_log_that_cannot_be_read_leaves_the_messages(client, log):
    call_id = new_id()
    imported(client, vapi.report(call_id), callLog=log)
    assert ("model", 5680) in [(name, start) for _, name, start, _ in
                               outline(tree_of(client, call_id))]


@pytest.mark.parametrize("factor", [0.001, 1000, 1_000_000])
def test_the_unit_of_times_is_told_by_their_size(client, factor):
    call_id = new_id()
    records = vapi.log_records()
    for one in records:
        one["time"] = one["time"] * factor if factor < 1 else one["time"] * int(factor)
    report = vapi.report(call_id)
    for one in report["artifact"]["messages"]:
        for key in ("time", "endTime"):
            if key in one:
                one[key] = one[key] * factor if factor < 1 else one[key] * int(factor)
    report["timestamp"] = int(report["timestamp"] * factor)
    call = imported(client, report, callLog=records)
    assert [row[:3] for row in outline(tree_of(client, call_id))] == [row[:3] for row in LOG_OUTLINE]
    transcript = client.get(f"/v1/call/{call}/transcript").data["entries"]
    assert [one["startOffsetMs"] for one in transcript] == [1200, 4000, 7900, 10500, 12000]


def test_latencies_that_fit_no_turns_are_left_out(client):
    call_id = new_id()
    report = vapi.report(call_id)
    report["artifact"]["performanceMetrics"]["turnLatencies"] = vapi.LATENCIES + vapi.LATENCIES
    imported(client, report)
    tree = tree_of(client, call_id)
    assert not voice(tree, "endpointing")
    assert [turn.get("responseLatencyMs") for turn in voice(tree, "turn")] == [None, 2400, 800]
    assert "timeToFirstTokenMs" not in voice(tree, "model")[0]


# --- once, twice, in any order -----------------------------------------------------------------------


def test_a_repeated_report_changes_nothing(client):
    call_id = new_id()
    report = vapi.report(call_id)
    call = imported(client, report, callLog=vapi.log_base64())
    first, shown = octets_of(client, call_id), call_of(client, call)
    report["artifact"]["presignedLogUrl"] = "https://storage.vapi.ai/log?signed=2"
    assert imported(client, report, callLog=vapi.log_base64()) == call
    assert sent(client, report).data["callId"] == call
    assert imported(client, report, callLog=vapi.log_base64()) == call
    again = call_of(client, call)
    assert {**again, "updatedAt": None} == {**shown, "updatedAt": None}
    # The message told the messages' spans once more: the log's stand.
    names = [span["name"] for span in tree_of(client, call_id)["spans"]]
    assert names == [row[1] for row in LOG_OUTLINE]
    fresh = new_id()
    report["call"]["id"] = fresh
    imported(client, report, callLog=vapi.log_base64())
    once = octets_of(client, fresh)
    imported(client, report, callLog=vapi.log_base64())
    assert octets_of(client, fresh) == once and len(once) == len(first)


def test_skip_already_imported(client):
    call_id = new_id()
    call = imported(client, vapi.report(call_id), skipAlreadyImported=True)
    assert call_of(client, call)["properties"] is None
    assert imported(client, vapi.report(call_id, endedReason="voicemail"), was_there=True,
                    skipAlreadyImported=True) == call
    assert call_of(client, call)["endedStatus"] == "CUSTOMER_ENDED_CALL"
    assert imported(client, vapi.report(call_id, endedReason="voicemail",
                                        timestamp=vapi.START_MS + 30_000)) == call
    assert call_of(client, call)["endedStatus"] == "VOICE_MAIL_REACHED"


def test_a_status_alone_is_no_import(client):
    call_id = new_id()
    call = sent(client, vapi.status(call_id, "in-progress")).data["callId"]
    assert imported(client, vapi.report(call_id), skipAlreadyImported=True) == call
    assert call_of(client, call)["status"] == "ENDED"


def test_status_updates_come_first_and_late(client):
    call_id = new_id()
    call = sent(client, vapi.status(call_id, "ringing")).data["callId"]
    assert call_of(client, call)["status"] == "RINGING"
    assert sent(client, vapi.status(call_id, "in-progress", 2000)).data["callId"] == call
    shown = call_of(client, call)
    assert shown["status"] == "IN_PROGRESS" and shown["callDirection"] == "INBOUND"
    assert shown["startedAt"] == vapi.iso(vapi.START_MS + 2000)
    assert sent(client, vapi.status(call_id, "ended", 15_000,
                                    endedReason="customer-busy")).data["callId"] == call
    shown = call_of(client, call)
    assert shown["status"] == "ENDED" and shown["endedStatus"] == "CUSTOMER_BUSY"
    assert sent(client, vapi.report(call_id)).data["callId"] == call
    assert sent(client, vapi.status(call_id, "in-progress", 2000)).data["callId"] == call
    shown = call_of(client, call)
    assert shown["status"] == "ENDED" and shown["endedStatus"] == "CUSTOMER_ENDED_CALL"
    assert shown["startedAt"] == vapi.iso(vapi.START_MS) and shown["durationMs"] == 15_000


@pytest.mark.parametrize("first", ["call", "report"])
def test_a_posted_call_and_its_report_are_one(cluster, project, client, first):
    call_id = new_id()
    body = {"vapiCallId": call_id, "externalId": new_id(), "callDirection": "OUTBOUND"}
    if first == "call":
        call = client.post_json("/v1/call", body).data["id"]
        assert imported(client, vapi.report(call_id)) == call
    else:
        call = imported(client, vapi.report(call_id))
        assert client.post_json("/v1/call", body).data["id"] == call
    shown = call_of(client, call)
    assert shown["externalId"] == body["externalId"] and shown["callDirection"] == "OUTBOUND"
    assert shown["recordingUrl"] == "https://storage.vapi.ai/mono.wav"
    (trace,) = traces_of(client, call)
    assert trace["traceId"] == trace_of(call_id)
    assert (project.id, call, trace_of(call_id), 3, call_id.encode()) in {
        tuple(row[:5]) for row in cluster.links()}


def test_a_customers_own_trace_of_the_call_is_linked_too(client):
    call_id, own = new_id(), otlp.new_trace_id()
    export = otlp.request([otlp.span(own, "tool-server")], {"vapi.call.id": call_id})
    assert client.export(export.SerializeToString()).status == 200
    call = imported(client, vapi.report(call_id))
    assert {one["traceId"] for one in traces_of(client, call)} == {trace_of(call_id), own.hex()}


# --- what else VAPI sends ----------------------------------------------------------------------------


@pytest.mark.parametrize("message", [
    {"type": "tool-calls", "toolCallList": [{"id": "c"}]}, {"type": "transcript"},
    {"type": "speech-update"}, {"type": "assistant.started"}, {"type": "something-new", "id": "x"},
    {"type": "status-update", "status": "queued", "call": {"id": "q"}},
    {"type": "status-update", "status": "deletion-failed", "call": {"id": "q"}}])
def test_other_messages_are_answered_and_ignored(cluster, client, message):
    name = 'calltrace_api_vapi_messages_total{what="ignored"}'
    before = cluster.apis[0].metrics()[name]
    response = sent(client, message)
    assert response.status == 200 and response.json() == {}
    assert cluster.apis[0].metrics()[name] == before + 1


@pytest.mark.parametrize("message, word", [
    ({}, "call"), ({"type": "end-of-call-report"}, "call"),
    ({"type": "end-of-call-report", "call": {}}, "call.id"),
    ({"type": "end-of-call-report", "call": {"id": 7}}, "call.id"),
    ({"type": "end-of-call-report", "call": {"id": "x" * 256}}, "call.id"),
    ({"type": "status-update", "status": "ended", "call": {"id": ""}}, "call.id")])
def test_without_an_id_it_is_400_and_names_the_field(client, message, word):
    response = sent(client, message)
    assert response.status == 400
    assert response.json()["code"] == "validation_error" and word in response.json()["message"]
    response = client.post_json("/v1/vapi/call", {"vapiEndOfCallReportPayload": message})
    assert response.status == 400
    assert "vapiEndOfCallReportPayload" in json.dumps(response.json())


@pytest.mark.parametrize("body, word", [
    ({}, "vapiEndOfCallReportPayload"), ({"vapiEndOfCallReportPayload": 1}, "object"),
    ({"vapiEndOfCallReportPayload": {"type": "transcript", "call": {"id": "x"}}},
     "end-of-call-report"),
    ({"vapiEndOfCallReportPayload": vapi.report("x"), "properties": []}, "properties"),
    ({"vapiEndOfCallReportPayload": vapi.report("x"), "skipAlreadyImported": "yes"},
     "skipAlreadyImported")])
def test_a_bad_import_names_its_field(client, body, word):
    response = client.post_json("/v1/vapi/call", body)
    assert response.status == 400 and word in response.json()["message"], response.body


@pytest.mark.parametrize("path", ["/v1/vapi/call", "/v1/integrations/vapi"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"\xff", b'{"a":1,"a":2}'])
def test_what_is_no_json_object_is_400(client, path, body):
    response = client.request("POST", path, body, {"Content-Type": "application/json"})
    assert response.status == 400 and response.json()["code"] == "invalid_json"


@pytest.mark.parametrize("path", ["/v1/vapi/call", "/v1/integrations/vapi"])
@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"},
                                     {"Content-Type": "application/json", "Content-Encoding": "gzip"}])
def test_another_encoding_is_415(client, path, headers):
    assert client.request("POST", path, b"{}", headers).status == 415


def test_a_log_that_comes_later_tells_the_same_turns_again(client):
    call_id = new_id()
    call = imported(client, vapi.report(call_id))
    before = tree_of(client, call_id)
    assert imported(client, vapi.report(call_id), callLog=vapi.log_base64()) == call
    after = tree_of(client, call_id)
    known = {span["spanId"] for span in after["spans"]}
    assert {span["spanId"] for span in before["spans"]} <= known
    assert [span["name"] for span in after["spans"]].count("turn") == 4  # with the barge-in's own
    assert sorted(span["name"] for span in after["spans"]) == sorted(row[1] for row in LOG_OUTLINE)


def test_a_report_without_any_time_is_kept_without_a_trace(client):
    call_id = new_id()
    call = imported(client, {"type": "end-of-call-report", "call": {"id": call_id}})
    assert call_of(client, call)["endedStatus"] == "UNKNOWN"
    assert traces_of(client, call) == []


def test_odd_values_cost_themselves_alone(client):
    call_id = new_id()
    report = vapi.report(call_id, cost="much", costs=[7, {"type": "model"}],
                         endedAt="tomorrow", customer=[], assistant=None)
    report["artifact"]["messages"] += [None, 7, {}, {"role": "user"}, {"role": "bot", "time": "x"},
                                       {"role": "tool_calls", "toolCalls": [None, {}]},
                                       {"role": "user", "message": "\ud83d lone \u0000",
                                        "time": vapi.START_MS + 14_000}]
    report["artifact"]["performanceMetrics"] = {"turnLatencies": [None, {"modelLatency": -1}]}
    call = imported(client, report)
    shown = call_of(client, call)
    assert shown["status"] == "ENDED" and shown["durationMs"] == 14_000
    assert len(tree_of(client, call_id)["spans"]) > 10


def test_an_id_that_is_no_uuid_has_a_trace_too(client):
    call_id = f"call-{new_id()}"
    call = imported(client, vapi.report(call_id))
    (trace,) = traces_of(client, call)
    assert len(trace["traceId"]) == 32


# --- who may send ------------------------------------------------------------------------------------


@pytest.mark.parametrize("header, form", [("Authorization", "Bearer {}"), ("x-roark-api-key", "{}"),
                                          ("X-Vapi-Secret", "{}"), ("x-vapi-secret", "Bearer {}")])
def test_the_headers_that_carry_a_key(cluster, project, client, header, form):
    bare = client.with_key(None)
    response = sent(bare, vapi.report(new_id()), headers={header: form.format(project.key)})
    assert response.status == 200, response.body
    assert sent(bare, vapi.report(new_id()), headers={header: form.format("x")}).status == 401
    assert sent(bare, vapi.report(new_id())).status == 401


def test_it_takes_the_scope_write(cluster, project):
    reader = cluster.client(cluster.new_key(project.name, "reader", "read,ingest"))
    assert sent(reader, vapi.report(new_id())).status == 403
    assert reader.post_json("/v1/vapi/call", {}).status == 403


def test_projects_are_apart(cluster, client):
    other = cluster.client(cluster.project(f"other-{new_id()}"))
    call_id = new_id()
    mine, theirs = imported(client, vapi.report(call_id)), imported(other, vapi.report(call_id))
    assert mine != theirs
    assert other.get(f"/v1/call/{mine}").status == 404
    assert len(traces_of(client, mine)) == len(traces_of(other, theirs)) == 1
