"""The oracle's own cases: what counts as a key, and what table `link` must hold."""

import pytest

from support import otlp
from support.equation import (Facts, Log, check_answers, check_links, create_keys, expect,
                              skipped_traces, trace_facts)

T1, T2 = bytes.fromhex("11" * 16), bytes.fromhex("22" * 16)


def keys(request, trace=T1):
    found = trace_facts(request)[trace.hex()].keys
    return {key for key in found if key[0] != "trace"}


def one(attrs=None, resource=None, scope="tests"):
    return otlp.request([otlp.span(T1, attrs=attrs)], resource, scope)


@pytest.mark.parametrize("name, value, kind, on_resource, on_span", [
    ("roark.external_id", "a", "external", True, True),
    ("livekit.room.id", "room", "livekit", True, True),
    ("livekit.room.id", "RM_x", "livekit", True, True),
    ("room_id", "RM_x", "livekit", True, True),
    ("room_id", "x", None, False, False),
    ("room_id", "rm_x", None, False, False),
    ("lk.room_sid", "RM_x", "livekit", True, True),
    ("gen_ai.conversation.id", "RM_x", "livekit", True, True),
    ("gen_ai.conversation.id", "x", None, False, False),
    ("vapi.call.id", "v", "vapi", True, False),
    ("conversation.id", "c", None, False, False),
    ("roark.externalId", "a", None, False, False),
])
def test_an_attribute_is_a_key_where_the_table_says(name, value, kind, on_resource, on_span):
    wanted = {(kind, value.encode())}
    assert keys(one(resource={name: value})) == (wanted if on_resource else set())
    assert keys(one(attrs={name: value})) == (wanted if on_span else set())


@pytest.mark.parametrize("value, text", [
    ("a", b"a"), (" a ", b" a "), ("A", b"A"), (42, b"42"), (-7, b"-7"), ("\u00fc" * 255,
     ("\u00fc" * 255).encode()), ("x" * 256, None), ("", None), (True, None), (1.5, None),
    (b"a", None), (["a"], None), (None, None), ({"a": "b"}, None)])
def test_values_are_texts_or_integers_of_1_to_255_characters(value, text):
    wanted = set() if text is None else {("external", text)}
    assert keys(one(attrs={"roark.external_id": value})) == wanted


def test_pipecat_counts_by_scope():
    attrs = {"conversation.id": "c"}
    assert keys(one(attrs, scope="pipecat")) == {("pipecat", b"c")}
    assert keys(one(attrs, scope="pipecat.turn")) == {("pipecat", b"c")}
    assert keys(one(attrs, scope="my.pipecat")) == set()


def test_a_resource_key_belongs_to_every_trace_of_it():
    request = otlp.request([otlp.span(T1), otlp.span(T2)], {"roark.external_id": "a"})
    assert keys(request, T1) == keys(request, T2) == {("external", b"a")}


def test_a_span_key_belongs_to_its_trace_alone():
    request = otlp.request([otlp.span(T1, attrs={"roark.external_id": "a"}), otlp.span(T2)])
    assert keys(request, T1) == {("external", b"a")}
    assert keys(request, T2) == set()


@pytest.mark.parametrize("value, skips", [
    (True, True), ("true", True), (False, False), ("false", False), ("TRUE", False), (1, False)])
def test_skip_is_true_or_its_text(value, skips):
    assert trace_facts(one(resource={"roark.skip": value}))[T1.hex()].skip is skips
    assert trace_facts(one(attrs={"roark.skip": value}))[T1.hex()].skip is False


def test_a_span_with_a_bad_id_says_nothing():
    bad = otlp.span(b"\0" * 16, attrs={"roark.external_id": "a"})
    assert trace_facts(otlp.request([bad])) == {}


def test_a_skipped_trace_flags_its_room_for_others():
    room = ("livekit", b"RM_1")
    other = ("external", b"e")
    traces = {("p", "a"): Facts({room, other}, True), ("p", "b"): Facts({room}),
              ("p", "c"): Facts({other}), ("q", "d"): Facts({room})}
    assert skipped_traces(traces) == {("p", "a"), ("p", "b")}


def test_create_keys():
    assert create_keys("call", {"externalId": "a", "livekitRoomId": "r", "title": "t"}) == {
        ("external", b"a"), ("livekit", b"r")}
    assert create_keys("chat", {"externalId": "a", "traceId": "00ff"}) == {
        ("external", b"a"), ("trace", b"00ff")}


def sent(log, request, status=200, project="p"):
    entry = log.export(project, request)
    log.answer(entry, log.attempt(entry), status)


def created(log, body, status=200, call_id="c1", project="p", kind="call"):
    entry = log.create(project, kind, body)
    log.answer(entry, log.attempt(entry), status, call_id if status == 200 else None)
    return entry


ROW = ("p", "c1", T1.hex(), 1, b"a")


def test_an_acknowledged_pair_must_be_linked():
    log = Log()
    sent(log, one({"roark.external_id": "a"}))
    created(log, {"externalId": "a"})
    assert expect(log).must == {ROW}
    assert check_links(log, {ROW}) == []
    assert len(check_links(log, set())) == 1
    assert len(check_links(log, {ROW, ("p", "c1", T2.hex(), 1, b"a")})) == 1
    assert len(check_links(log, {("q", *ROW[1:])})) == 2


def test_projects_do_not_mix():
    log = Log()
    sent(log, one({"roark.external_id": "a"}), project="q")
    created(log, {"externalId": "a"})
    assert expect(log).may == set()


def test_kinds_do_not_mix():
    log = Log()
    sent(log, one({"livekit.room.id": "a"}))
    created(log, {"externalId": "a"})
    assert expect(log).may == set()


def test_an_unanswered_export_may_count():
    log = Log()
    sent(log, one({"roark.external_id": "a"}), status=0)
    created(log, {"externalId": "a"})
    assert check_links(log, {ROW}) == []
    assert check_links(log, set()) == []


def test_a_refused_export_does_not_count():
    log = Log()
    sent(log, one({"roark.external_id": "a"}), status=400)
    created(log, {"externalId": "a"})
    assert len(check_links(log, {ROW})) == 1


def test_an_unanswered_skip_may_count():
    log = Log()
    sent(log, one({"roark.external_id": "a"}))
    sent(log, one(resource={"roark.skip": True}), status=503)
    created(log, {"externalId": "a"})
    assert check_links(log, {ROW}) == []
    assert check_links(log, set()) == []


def test_an_acknowledged_skip_removes():
    log = Log()
    sent(log, one({"roark.external_id": "a"}))
    sent(log, one(resource={"roark.skip": "true"}))
    created(log, {"externalId": "a"})
    assert check_links(log, set()) == []
    assert len(check_links(log, {ROW})) == 1


def test_an_unanswered_create_may_have_made_one_call():
    log = Log()
    sent(log, one({"roark.external_id": "a"}))
    created(log, {"externalId": "a"}, status=0)
    row = ("p", "unknown", T1.hex(), 1, b"a")
    assert check_links(log, {row}) == []
    assert check_links(log, set()) == []
    assert len(check_links(log, {row, ("p", "another", T1.hex(), 1, b"a")})) == 1
    assert len(check_links(log, {("p", "unknown", T1.hex(), 1, b"b")})) == 1


def test_a_create_that_is_answered_again_may_leave_one_row_of_a_call_that_never_came():
    log = Log()
    sent(log, one({"roark.external_id": "a"}))
    entry = created(log, {"externalId": "a"})
    stranger = ("p", "c2", T1.hex(), 1, b"a")
    assert check_links(log, {ROW, stranger}) != []
    log.answer(entry, log.attempt(entry), 200, "c1")
    assert check_links(log, {ROW, stranger}) == []
    assert check_links(log, {ROW, stranger, ("p", "c3", T1.hex(), 1, b"a")}) != []


def test_a_chat_points_at_a_trace():
    log = Log()
    sent(log, one())
    created(log, {"traceId": T1.hex()}, kind="chat")
    created(log, {"traceId": T1.hex()}, kind="chat", call_id="c2")
    assert {row[1] for row in expect(log).must} == {"c1", "c2"}
    assert check_answers(log) == []


def test_two_successes_of_one_key_are_a_problem():
    log = Log()
    created(log, {"externalId": "a"})
    created(log, {"externalId": "a"}, call_id="c2", kind="chat")
    assert len(check_answers(log)) == 1


def test_one_request_makes_one_call():
    log = Log()
    entry = created(log, {})
    log.answer(entry, log.attempt(entry), 200, "c1")
    assert check_answers(log) == []
    log.answer(entry, log.attempt(entry), 200, "c2")
    assert len(check_answers(log)) == 1


def test_a_refusal_needs_a_holder():
    log = Log()
    refused = created(log, {"externalId": "a"}, status=409)
    assert len(check_answers(log)) == 1
    log.creates.remove(refused)
    created(log, {"externalId": "a", "livekitRoomId": "r"})
    created(log, {"livekitRoomId": "r"}, status=409)
    assert check_answers(log) == []
    created(log, {"livekitRoomId": "other"}, status=409)
    assert len(check_answers(log)) == 1
