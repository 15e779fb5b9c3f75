"""The link doctor: each reason from real exports and creates, as GET /v1/unmatched tells it."""

import json
import subprocess
import time
import uuid
from urllib.parse import quote

import pytest

from support import livekit, otlp, paths
from support.client import JSON

class Ward:
    """A project of its own, so that every unmatched row in it is the test's."""

    def __init__(self, cluster, name=None):
        self.cluster = cluster
        self.project = cluster.project(name or f"ward-{uuid.uuid4().hex[:12]}")
        self.client = cluster.client(self.project)

    def export(self, attrs=None, resource=None, root=True, trace=None, scope="tests", name="work"):
        """One span; gives its trace id."""
        trace = trace or otlp.new_trace_id()
        parent = b"" if root else otlp.new_span_id()
        self.send(otlp.request([otlp.span(trace, name, attrs, parent)], resource, scope))
        return trace

    def send(self, request):
        response = self.client.export(request.SerializeToString())
        assert response.status == 200, response.body

    def create(self, kind="call", **fields):
        response = self.client.post_json(f"/v1/{kind}", fields)
        assert response.status == 200, response.body
        return response.data["id"]

    def get(self, query="", status=200):
        response = self.client.get(f"/v1/unmatched{query}")
        assert response.status == status, (response.status, response.body)
        return response.json()

    def row_of_trace(self, trace):
        rows = [row for row in self.get("?side=traces&limit=100")["data"]
                if row["trace"]["traceId"] == trace.hex()]
        assert len(rows) == 1, rows
        return rows[0]

    def row_of_call(self, call):
        rows = [row for row in self.get("?side=calls&limit=100")["data"]
                if row["conversation"]["id"] == call]
        assert len(rows) == 1, rows
        return rows[0]


@pytest.fixture
def ward(cluster):
    return Ward(cluster)


def text(prefix="id-"):
    return prefix + uuid.uuid4().hex


def both_sides(row):
    return row["evidence"]["trace"], row["evidence"]["conversation"]


# --- nothing to say -------------------------------------------------------------------------------


def test_an_empty_project_has_nothing_unmatched(ward):
    answer = ward.get()
    assert answer["data"] == []
    assert answer["pagination"] == {"total": 0, "hasMore": False, "nextCursor": None}


@pytest.mark.parametrize("order", ["trace first", "call first"])
def test_a_row_leaves_the_list_when_it_links(ward, order):
    value = text()
    if order == "trace first":
        trace = ward.export(resource={"roark.external_id": value})
        assert ward.row_of_trace(trace)["reason"] == "no_call"
        ward.create(externalId=value)
    else:
        call = ward.create(externalId=value)
        assert ward.row_of_call(call)["reason"] == "no_trace"
        ward.export(resource={"roark.external_id": value})
    assert ward.get()["data"] == []


# --- reasons of a trace ------------------------------------------------------------------------------


def test_no_key_on_any_span(ward):
    row = ward.row_of_trace(ward.export({"gen_ai.request.model": "m"}))
    assert row["reason"] == "no_key"
    assert row["keys"] == []
    assert both_sides(row) == (None, None)
    assert "roark.external_id" in row["sentence"] and "externalId" in row["change"]
    assert row["what"] == "trace" and row["conversation"] is None
    assert row["trace"]["rootState"] == "root" and row["trace"]["spanCount"] == 1


def test_a_key_that_no_call_holds(ward):
    value = text()
    row = ward.row_of_trace(ward.export({"roark.external_id": value}))
    assert row["reason"] == "no_call"
    assert value in row["sentence"] and value in row["change"]
    trace, call = both_sides(row)
    assert (trace["attribute"], trace["place"], trace["value"]) == ("roark.external_id", "span",
                                                                    value)
    assert call is None
    assert row["keys"] == [{"kind": "external", "value": value}]


@pytest.mark.parametrize("change, difference", [
    (str.upper, "letter case"), (lambda v: v + " ", "spaces"), (lambda v: "\t" + v + "\r\n", "spaces"),
    (lambda v: " " + v.upper(), "letter case and")])
@pytest.mark.parametrize("kind", ["call", "chat"])
def test_a_key_in_another_spelling_on_both_sides(ward, change, difference, kind):
    value = text("order-a")
    call = ward.create(kind, externalId=value)
    trace = ward.export(resource={"roark.external_id": change(value)})
    for row in (ward.row_of_trace(trace), ward.row_of_call(call)):
        assert row["reason"] == "spelling"
        assert difference in row["sentence"]
        carried, held = both_sides(row)
        assert (carried["value"], held["value"]) == (change(value), value)
        assert carried["traceId"] == trace.hex()
        assert (held["id"], held["field"], held["kind"]) == (call, "externalId", kind)


@pytest.mark.parametrize("other", [lambda v: v[:-1], lambda v: v + "x", lambda v: v.replace("-", ""),
                                   lambda v: "\u00e4" + v[1:], lambda v: "x " + v])
def test_other_values_are_no_near_misses(ward, other):
    value = text("\u00c4-")
    call = ward.create(externalId=value)
    trace = ward.export(resource={"roark.external_id": other(value)})
    assert ward.row_of_trace(trace)["reason"] == "no_call"
    assert ward.row_of_call(call)["reason"] == "no_trace"


@pytest.mark.parametrize("value", ["\0", "a\0B", "\\x41", "'; drop table link; --", "\U0001f600" * 255])
def test_values_of_all_kinds_are_stored_and_compared(ward, value):
    call = ward.create(externalId=value)
    row = ward.row_of_trace(ward.export(resource={"roark.external_id": value + " "}
                                        if len(value) < 255 else {"roark.external_id": value[1:]}))
    assert row["reason"] == ("spelling" if len(value) < 255 else "no_call")
    assert ward.row_of_call(call)["reason"] in ("spelling", "no_trace")


def test_a_value_under_another_kind(ward):
    value = text("RM_")
    call = ward.create(externalId=value)
    trace = ward.export(resource={"livekit.room.id": value})
    row = ward.row_of_trace(trace)
    assert row["reason"] == "other_kind"
    assert "externalId" in row["sentence"] and "livekitRoomId" in row["change"]
    assert both_sides(row)[1]["id"] == call
    other = ward.row_of_call(call)
    assert other["reason"] == "other_kind"
    assert "livekit.room.id" in other["sentence"]
    assert both_sides(other)[0]["traceId"] == trace.hex()


def test_an_external_id_that_is_the_trace_s_id(ward):
    trace = ward.export()
    call = ward.create(externalId=trace.hex())
    row = ward.row_of_call(call)
    assert row["reason"] == "other_kind"
    assert both_sides(row)[0]["traceId"] == trace.hex()


NAMES = ["roark.externalId", "external_id", "externalId", "roark_external_id", "ROARK.EXTERNAL_ID",
         "ai.telemetry.metadata.roark.external_id", "app.external-id", "roark.external.id"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("on", ["resource", "root", "child"])
def test_an_attribute_that_looks_like_the_key_s(ward, name, on):
    value = text()
    call = ward.create(externalId=value)
    where = {"resource": {"resource": {name: value}}, "root": {"attrs": {name: value}},
             "child": {"attrs": {name: value}, "root": False}}[on]
    trace = ward.export(**where)
    row = ward.row_of_trace(trace)
    assert row["reason"] == "attribute_name"
    assert row["change"] == "Name the attribute roark.external_id."
    carried, held = both_sides(row)
    assert (carried["attribute"], carried["value"]) == (name, value)
    assert held["id"] == call
    other = ward.row_of_call(call)
    assert (other["reason"], both_sides(other)[0]["traceId"]) == ("attribute_name", trace.hex())
    assert both_sides(other)[0]["attribute"] == name


def test_a_look_alike_without_a_call(ward):
    value = text()
    row = ward.row_of_trace(ward.export({"roark.externalId": value}, root=False))
    assert row["reason"] == "attribute_name"
    assert both_sides(row)[1] is None


def test_a_key_that_no_call_holds_counts_more_than_a_look_alike(ward):
    row = ward.row_of_trace(ward.export({"roark.externalId": text(), "roark.external_id": text()}))
    assert row["reason"] == "no_call"


@pytest.mark.parametrize("name", ["not_external_identity", "externalidea", "id", "room.idle"])
def test_names_that_are_not_alike(ward, name):
    assert ward.row_of_trace(ward.export({name: text()}))["reason"] == "no_key"


@pytest.mark.parametrize("name", ["session.id", "conversation.id", "call_id"])
def test_any_attribute_whose_value_a_call_holds(ward, name):
    value = text()
    call = ward.create(externalId=value)
    trace = ward.export({name: value})
    row = ward.row_of_trace(trace)
    assert row["reason"] == "other_attribute"
    assert name in row["sentence"] and "roark.external_id" in row["change"]
    assert both_sides(row)[1]["id"] == call
    assert ward.row_of_call(call)["reason"] == "other_attribute"


def test_the_clue_may_be_an_integer(ward):
    number = uuid.uuid4().int >> 66
    ward.create(externalId=str(number))
    assert ward.row_of_trace(ward.export({"order.number": number}))["reason"] == "other_attribute"


def test_a_key_in_the_wrong_place(ward):
    value = str(uuid.uuid4())
    call = ward.create(vapiCallId=value)
    trace = ward.export({"vapi.call.id": value})
    row = ward.row_of_trace(trace)
    assert row["reason"] == "wrong_place"
    assert "a span" in row["sentence"] and row["change"] == "Put vapi.call.id on the resource."
    assert ward.row_of_call(call)["reason"] == "wrong_place"


def test_a_key_on_an_event_or_in_a_map(ward):
    trace = otlp.new_trace_id()
    span = otlp.span(trace)
    event = span.events.add()
    event.name = "e"
    event.attributes.extend(otlp.attributes({"roark.external_id": text()}))
    ward.send(otlp.request([span]))
    row = ward.row_of_trace(trace)
    assert (row["reason"], both_sides(row)[0]["place"]) == ("wrong_place", "event")
    row = ward.row_of_trace(ward.export({"roark": {"external_id": text()}}))
    assert (row["reason"], both_sides(row)[0]["place"]) == ("wrong_place", "map")


@pytest.mark.parametrize("value, reason", [
    ("", "value_empty"), (None, "value_empty"), ("x" * 256, "value_long"), ("\u00fc" * 256, "value_long"),
    (True, "value_type"), (1.5, "value_type"), (["x"], "value_type"), ({"a": "x"}, "value_type"),
    (b"x", "value_type")])
def test_values_that_are_no_keys(ward, value, reason):
    row = ward.row_of_trace(ward.export(resource={"roark.external_id": value}))
    assert row["reason"] == reason
    assert row["sentence"].startswith("roark.external_id") or "roark.external_id" in row["sentence"]


def test_255_characters_are_a_key(ward):
    assert ward.row_of_trace(ward.export({"roark.external_id": "x" * 255}))["reason"] == "no_call"


def test_a_room_s_name_where_the_sid_belongs(ward):
    row = ward.row_of_trace(ward.export(resource={"livekit.room.id": "support-42"}))
    assert row["reason"] == "room_name"
    assert "RM_" in row["sentence"] and "support-42" in row["sentence"]
    call = ward.create(livekitRoomId="support-43")
    assert ward.row_of_call(call)["reason"] == "room_name"


@pytest.mark.parametrize("name", ["lk.pii.room_name", "livekit.room.name", "room_id"])
def test_only_a_room_s_name_on_the_trace(ward, name):
    row = ward.row_of_trace(ward.export({name: "support-42"}))
    assert row["reason"] == "room_name"
    assert both_sides(row)[0]["attribute"] == name


def test_a_call_that_holds_the_room_s_name(ward):
    name = text("support ")
    call = ward.create(livekitRoomId=name)
    row = ward.row_of_trace(ward.export({"lk.pii.room_name": name},
                                        {"livekit.room.id": text("RM_")}))
    assert row["reason"] == "room_name"
    assert both_sides(row)[1] == {"id": call, "kind": "call", "field": "livekitRoomId", "value": name}


def test_a_room_sid_is_no_name(ward):
    row = ward.row_of_trace(ward.export(resource={"livekit.room.id": text("RM_")}))
    assert row["reason"] == "no_call"
    call = ward.create(livekitRoomId=text("RM_"))
    assert ward.row_of_call(call)["reason"] == "no_trace"


def test_the_root_is_still_open(ward):
    trace = otlp.new_trace_id()
    ward.export({"lk.pii.room_name": "a room"}, root=False, trace=trace)
    row = ward.row_of_trace(trace)
    assert row["reason"] == "root_open"
    assert row["trace"]["rootState"] == "open"
    ward.export({"lk.pii.room_name": "a room"}, trace=trace)
    assert ward.row_of_trace(trace)["reason"] == "room_name"


def test_the_root_never_came(ward):
    trace = ward.export(root=False)
    ward.cluster.sql("UPDATE trace SET last_seen_at = now() - interval '1 hour' WHERE trace_id = %s",
                     (trace,))
    assert ward.row_of_trace(trace)["reason"] == "root_lost"


def test_a_skipped_trace(ward):
    trace = ward.export(resource={"roark.skip": True, "roark.external_id": text()})
    row = ward.row_of_trace(trace)
    assert row["reason"] == "skipped"
    assert row["trace"]["spanCount"] == 0


def test_a_trace_of_a_skipped_room(ward):
    room = text("RM_")
    ward.export(resource={"roark.skip": True, "livekit.room.id": room})
    trace = ward.export(resource={"livekit.room.id": room})
    row = ward.row_of_trace(trace)
    assert row["reason"] == "room_skipped"
    assert room in row["sentence"]


def test_more_keys_than_a_trace_may_have(ward):
    trace = otlp.new_trace_id()
    ward.send(otlp.request([otlp.span(trace, attrs={"roark.external_id": f"k{n}"})
                            for n in range(1100)]))
    row = ward.row_of_trace(trace)
    assert row["reason"] == "keys_dropped"
    assert len(row["keys"]) == 16


def test_a_call_that_its_room_s_metadata_skips(ward):
    key, secret = livekit.new_pair()
    ward.cluster.command("livekit", "add", "--project", ward.project.name, "--api-key", key, stdin=secret + "\n")
    sid = livekit.new_sid()
    event, *_ = livekit.phone_call(sid, 1790000000250)
    event = {**event, "room": {**event["room"], "metadata": json.dumps({"roark.skip": True})}}
    assert livekit.send(ward.client, event, key, secret).status == 200
    trace = ward.export(resource={"livekit.room.id": sid})
    row = ward.row_of_trace(trace)
    assert row["reason"] == "call_skipped"
    assert both_sides(row)[1]["id"] is None
    assert ward.get("?side=calls")["data"] == []


def test_a_link_that_is_not_written_yet(ward):
    value = text()
    call = ward.create(externalId=value)
    trace = ward.export({"roark.external_id": value})
    ward.cluster.sql("DELETE FROM link WHERE conversation_id = %s", (call,))
    assert ward.row_of_trace(trace)["reason"] == "pending"
    assert ward.row_of_call(call)["reason"] == "pending"


# --- reasons of a call -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["call", "chat"])
def test_a_call_without_keys(ward, kind):
    row = ward.row_of_call(ward.create(kind))
    assert row["reason"] == "no_keys"
    assert row["what"] == kind and row["trace"] is None
    assert kind in row["sentence"]


def test_no_trace_carries_the_key(ward):
    value = text()
    row = ward.row_of_call(ward.create(externalId=value))
    assert row["reason"] == "no_trace"
    assert f'roark.external_id "{value}"' in row["sentence"]
    assert row["conversation"]["source"] == "api"
    missing = otlp.new_trace_id().hex()
    row = ward.row_of_call(ward.create("chat", traceId=missing))
    assert row["reason"] == "no_trace" and missing in row["sentence"]


def test_the_trace_of_a_call_is_skipped(ward):
    value = text()
    call = ward.create(externalId=value)
    ward.export(resource={"roark.external_id": value, "roark.skip": True})
    row = ward.row_of_call(call)
    assert row["reason"] == "trace_skipped"
    assert both_sides(row)[0]["traceId"] is None


def test_a_call_with_an_observer_s_key_only(ward):
    value = text("call-")
    response = ward.client.post_json("/v1/integrations/livekit-sdk", {
        "event": "call-started", "livekitCallId": value, "eventTimestamp": "2026-01-02T03:04:05+00:00"})
    assert response.status == 200, response.body
    row = ward.row_of_call(response.data["callId"])
    assert row["reason"] == "observer_only" and value in row["sentence"]
    assert row["conversation"]["source"] == "livekit-sdk"
    trace = ward.export(resource={"livekit.room.id": value})
    row = ward.row_of_trace(trace)
    assert row["reason"] == "observer_only"
    assert both_sides(row)[1]["field"] == "livekitCallId"


# --- other projects --------------------------------------------------------------------------------------


def test_nothing_of_another_project_shows_not_even_as_evidence(cluster, ward):
    other = Ward(cluster)
    value = text("Order-")
    seen = other.create(externalId=value)
    room = text("RM_")
    other_trace = other.export({"session.id": value}, {"roark.external_id": value.upper(),
                                                       "livekit.room.id": room})
    call = ward.create(externalId=value.lower())
    also = ward.create(livekitRoomId=room.lower())
    trace = ward.export({"roark.externalId": value}, {"livekit.room.id": text("RM_")})
    body = ward.client.get("/v1/unmatched?counts=true").body.decode()
    for secret in (seen, other_trace.hex(), value.upper(), room):
        assert secret not in body
    assert ward.row_of_trace(trace)["reason"] == "attribute_name"  # its own call, in lower case
    assert ward.row_of_call(call)["reason"] == "no_trace"
    assert ward.row_of_call(also)["reason"] == "room_name"
    bad = cluster.new_key(ward.project.name, "i", "ingest,write")
    assert cluster.client(bad).get("/v1/unmatched").status == 403
    assert cluster.client(None).get("/v1/unmatched").status == 401


# --- the list ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd(cluster):
    """30 traces without a call at known times, and 12 calls and chats without a trace between them."""
    made = Ward(cluster)
    base = time.time_ns() - 3_600_000_000_000
    for n in range(30):
        attrs = {"roark.external_id": f"t{n}"} if n % 3 else None
        made.send(otlp.request([otlp.span(otlp.new_trace_id(), f"s{n}", attrs,
                                          start=base + n * 1_000_000_000)]))
    for n in range(12):
        call = made.create("chat" if n % 2 else "call", **({"externalId": f"c{n}"} if n % 3 else {}))
        cluster.sql("UPDATE conversation SET created_at = to_timestamp(%s) WHERE id = %s",
                    ((base + n * 2_500_000_000) / 1e9, call))
    return made


def walk(ward, query, limit):
    rows, after, pages = [], "", 0
    while True:
        page = ward.get(f"?limit={limit}{query}{after}")
        rows += page["data"]
        assert len(page["data"]) <= limit
        pages += 1
        assert pages < 100
        if not page["pagination"]["hasMore"]:
            assert page["pagination"]["nextCursor"] is None
            return rows
        after = "&after=" + quote(page["pagination"]["nextCursor"])


def key_of(row):
    return (row["trace"] or {}).get("traceId") or row["conversation"]["id"]


def time_of(row):
    return row["trace"]["startedAt"] if row["trace"] else row["conversation"]["createdAt"]


@pytest.mark.parametrize("limit", [1, 7, 20, 100])
@pytest.mark.parametrize("query, count", [("", 42), ("&side=traces", 30), ("&side=calls", 12),
                                          ("&reason=no_key", 10), ("&reason=no_keys", 4),
                                          ("&reason=no_call&side=traces", 20),
                                          ("&reason=no_call&side=calls", 0), ("&reason=spelling", 0)])
def test_pages_are_whole_and_in_order(crowd, query, count, limit):
    rows = walk(crowd, query, limit)
    assert len(rows) == count
    assert len({key_of(row) for row in rows}) == count
    times = [time_of(row)[:23] for row in rows]
    assert times == sorted(times, reverse=True)


def test_counts_by_reason(crowd):
    answer = crowd.get("?counts=true&limit=1")
    assert len(answer["data"]) == 1
    counts = {(row["side"], row["reason"]): row["count"] for row in answer["reasons"]}
    assert counts == {("traces", "no_key"): 10, ("traces", "no_call"): 20, ("calls", "no_keys"): 4,
                      ("calls", "no_trace"): 8}
    assert (answer["examined"], answer["isComplete"]) == (42, True)
    assert answer["pagination"]["total"] == 42
    assert answer["pagination"]["hasMore"] is True
    assert "reasons" not in crowd.get("?limit=1")


def test_a_range_of_time(crowd):
    rows = walk(crowd, "", 100)
    middle = sorted(time_of(row) for row in rows)[20]
    later = walk(crowd, f"&from={middle}", 100)
    earlier = walk(crowd, f"&to={middle}", 100)
    assert {key_of(row) for row in later}.isdisjoint({key_of(row) for row in earlier})
    assert len(later) + len(earlier) == 42
    assert all(time_of(row)[:19] >= middle[:19] for row in later)
    assert crowd.get("?from=2100-01-01")["data"] == []


@pytest.mark.parametrize("limit", [1, 20, 100])
@pytest.mark.parametrize("count", [1, 20, 21, 30])
def test_the_reasons_of_some_traces(crowd, limit, count):
    rows = walk(crowd, "&side=traces", 100)[30 - count:]
    ids = [row["trace"]["traceId"] for row in rows]
    query = "".join(f"&trace={one.upper()}" for one in reversed(ids)) + "&trace=" + "0" * 31 + "1"
    assert walk(crowd, query, limit) == rows
    assert walk(crowd, query + "&from=2100-01-01", limit) == rows  # whenever they started
    assert walk(crowd, query + "&side=calls", limit) == []


def test_a_linked_trace_has_no_reason(ward):
    value = text()
    trace = ward.export({"roark.external_id": value})
    query = f"?trace={trace.hex()}"
    assert [row["reason"] for row in ward.get(query)["data"]] == ["no_call"]
    ward.create(externalId=value)
    assert ward.get(query)["data"] == []
    assert Ward(ward.cluster).get(query)["data"] == []


@pytest.mark.parametrize("query, name", [
    ("side=both", "side"), ("side=", "side"), ("reason=nonsense", "reason"), ("reason=NO_KEY", "reason"),
    ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("from=yesterday", "from"),
    ("trace=x", "trace"), ("trace=", "trace"), ("&".join(["trace=" + "0" * 32] * 101), "trace"),
    ("to=2026-13-45", "to"), ("counts=1", "counts"), ("after=x", "after"), ("after=", "after"),
    ("after=eyJzb3J0VmFsdWUiOiJ4IiwiaWQiOiJ0In0=", "after"),
    ("after=eyJzb3J0VmFsdWUiOiIxIiwiaWQiOiJ4MDAifQ==", "after")])
def test_bad_queries_are_400_and_name_the_parameter(crowd, query, name):
    response = crowd.client.get(f"/v1/unmatched?{query}")
    assert response.status == 400, response.body
    assert name in response.body.decode()
    assert response.header("Content-Type") == JSON


def test_a_cursor_of_another_list_is_refused(crowd):
    other = crowd.client.get("/v1/traces?limit=1").json()["pagination"]["nextCursor"]
    assert crowd.client.get(f"/v1/unmatched?after={other}").status == 400


def test_old_and_odd_times_are_listed(ward):
    for start in (0, 1, 2**62, 2**64 - 1):
        ward.send(otlp.request([otlp.span(otlp.new_trace_id(), start=start, end=start)]))
    assert len(walk(ward, "", 1)) == 4


def test_a_long_row_of_linked_traces_before_the_first_unmatched_one(cluster):
    """The walk looks at a bounded number of rows: pages may be empty, and still lead to the end."""
    ward = Ward(cluster)
    lost = ward.export({"roark.external_id": "lost"})
    ward.create(externalId="held")
    cluster.sql(
        "WITH c AS (SELECT * FROM conversation WHERE project_id = %s::uuid), made AS ("
        "INSERT INTO trace (project_id, trace_id, day, first_seen_at, last_seen_at, start_ns, end_ns, has_error)"
        " SELECT c.project_id, decode(md5(n::text), 'hex'), current_date, now(), now(), 4000000000000000000 + n,"
        " 4000000000000000001 + n, false FROM c, generate_series(1, 26000) n RETURNING project_id, trace_id)"
        " INSERT INTO link SELECT c.project_id, c.id, made.trace_id, 1, 'held' FROM c, made",
        (ward.project.id,))
    first = ward.get("?side=traces")
    assert first["data"] == [] and first["pagination"]["hasMore"] is True
    assert first["pagination"]["total"] is None
    rows = walk(ward, "&side=traces", 20)
    assert [row["trace"]["traceId"] for row in rows] == [lost.hex()]
    assert [row["what"] for row in walk(ward, "", 20)] == ["trace"]


# --- the command --------------------------------------------------------------------------------------------


def doctor(ward, *words):
    return ward.cluster.command("doctor", "--project", ward.project.name, *words)


def test_the_command_tells_what_to_check_when_nothing_arrived(ward):
    told = doctor(ward)
    assert "Nothing arrived" in told
    assert "No key of this project was ever used" in told
    for word in ("/v1/traces", "401", "certificate", "flush", "--since"):
        assert word in told


def test_the_command_names_a_missing_scope(cluster):
    name = f"bare-{uuid.uuid4().hex[:8]}"
    cluster.command("project", "create", name)
    cluster.new_key(name, "r", "read")
    told = cluster.command("doctor", "--project", name)
    assert "No valid key of this project has the scope ingest" in told
    assert "No valid key has the scope write" in told


def line(told, label):
    lines = [one for one in told.splitlines() if one.startswith("  " + label)]
    assert len(lines) == 1, told
    return " ".join(lines[0].split())


def test_the_command_counts_what_arrived(ward):
    values = [text() for _ in range(3)]
    for value in values[:2]:
        ward.create(externalId=value)
    ward.create("chat", externalId=values[2])
    for value in values[:2]:
        trace = ward.export(resource={"roark.external_id": value})
        ward.export(resource={"roark.external_id": value}, trace=trace)
    ward.export(resource={"livekit.room.id": text("RM_")})
    ward.export(resource={"roark.skip": True})
    told = doctor(ward, "--since", "1h")
    assert line(told, "traces") == "traces 4 traces, 4 new, 0 with errors"
    assert line(told, "spans").startswith("spans 5 spans stored of these traces, in 5 segments")
    assert line(told, "keys on traces") == "keys on traces external 2, livekit 1"
    assert line(told, "calls and chats") == "calls and chats 2 calls by POST, 1 chat by POST"
    assert line(told, "keys on calls") == "keys on calls external 3"
    assert line(told, "links made") == "links made 2 traces and their calls, by 2 keys"
    assert line(told, "skipped") == "skipped 1 trace by roark.skip, 1 span dropped"
    assert told.count("no_call:") == 1 and told.count("skipped:") == 1
    assert told.count("no_trace:") == 1 and values[2] in told


def test_the_command_tells_the_reasons(ward):
    value = text("Order-")
    call = ward.create(externalId=value)
    trace = ward.export({"roark.external_id": value.lower()}, name="agent_session")
    told = doctor(ward)
    assert f"{trace.hex()}  agent_session, service tests, 1 span" in told
    assert f"{call}  call by POST" in told
    assert told.count("spelling: ") == 2 and told.count("Change: ") == 2
    assert f'"{value}"' in told and f'"{value.lower()}"' in told


def test_the_command_says_when_all_is_well(ward):
    value = text()
    ward.create(externalId=value)
    ward.export({"roark.external_id": value})
    told = doctor(ward, "--since=1d")
    assert "Traces without a call: none." in told
    assert "Calls and chats without a trace: none." in told


def test_the_command_looks_at_arrivals_not_at_the_times_of_spans(ward):
    trace = otlp.new_trace_id()
    ward.send(otlp.request([otlp.span(trace, start=1, end=2)]))
    assert trace.hex() in doctor(ward)
    ward.cluster.sql("UPDATE trace SET last_seen_at = now() - interval '2 hours' WHERE trace_id = %s", (trace,))
    assert trace.hex() not in doctor(ward)
    assert trace.hex() in doctor(ward, "--since", "3h")


def test_the_command_is_bounded_and_no_terminal_obeys_it(ward):
    nasty = "\x1b[31mred\u202eder\x07" + "x" * 100
    for n in range(25):
        ward.export({"roark.external_id": f"{nasty}{n}"}, name=nasty)
    told = doctor(ward)
    assert told.count("no_call:") == 20
    assert "There may be more" in told
    assert not set(told) & {"\x1b", "\x07", "\u202e"}
    assert "\\u001b[31mred\\u202eder\\u0007" in told
    assert max(len(one) for one in told.splitlines()) < 500


def test_the_command_shows_nothing_of_another_project(cluster, ward):
    other = Ward(cluster)
    value = text("Order-")
    seen = other.create(externalId=value)
    trace = other.export({"roark.external_id": text("Other-")})
    ward.export({"roark.external_id": value.lower()})
    told = doctor(ward)
    assert seen not in told and trace.hex() not in told and value not in told
    assert line(told, "traces").startswith("traces 1 trace,")


@pytest.mark.parametrize("words, code, said", [
    (["--project", "no-such-project"], 1, "no-such-project"), ([], 2, "--project is missing"),
    (["--project", "x", "--since"], 2, "--since needs a value"),
    (["--project", "x", "--since", "10"], 2, "--since"), (["--project", "x", "--since", "m"], 2, "--since"),
    (["--project", "x", "--since", "0m"], 2, "--since"), (["--project", "x", "--since", "31d"], 2, "--since"),
    (["--project", "x", "--since", "-5m"], 2, "--since"), (["--project", "x", "--since", "10m "], 2, "--since"),
    (["--project", "x", "--since", "99999999999999999999s"], 2, "--since"),
    (["--project", "x", "extra"], 2, "extra"), (["--project", "x", "--name", "y"], 2, "--name")])
def test_wrong_usage_of_the_command(cluster, words, code, said):
    done = subprocess.run([str(paths.api_binary()), "doctor", f"--postgres={cluster.conninfo}", *words],
                          capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def test_the_command_needs_read_access_only(cluster, ward):
    ward.export({"roark.external_id": text()})
    role = f"reader_{uuid.uuid4().hex[:8]}"
    cluster.sql(f"CREATE ROLE {role} LOGIN")
    cluster.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    done = subprocess.run(
        [str(paths.api_binary()), "doctor", "--project", ward.project.name,
         "--postgres=" + cluster.conninfo.replace("user=postgres", f"user={role}")],
        capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    assert "no_call:" in done.stdout
