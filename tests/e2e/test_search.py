"""The explorer against a plain scan of the decoded spans, on random traces."""

import datetime
import random
import uuid
from urllib.parse import urlencode

import pytest

from support import otlp
from support.cluster import error_of
from support.process import wait_until
from support.search import Filter, Query, Stored, sent

START = 1_780_000_000_000_000_000
MS = 1_000_000
SEED = 20_261_125
NAMES = ["agent_session", "llm_node", "LLM_request", "tts_node", "user_turn", "Übergabe", "tool: суп",
         "eou", "n" * 1500, "100%_\\sure"]
TEXTS = ["gpt-4o", "gpt-4o-mini", "5", "5.0", "05", "true", "", "ä", "суп", "a:b<c>d", "x" * 128,
         "x" * 129, "nope\\", "1e2", "-3", "9223372036854775808", "NaN"]
KEYS = ["model", "tokens", "flag", "mixed", "k8s:pod", "weird<key>", "uni.ключ", "id", "nested"]


def random_value(rng, key):
    if key == "id":  # more than four values of one key in a segment
        return f"id-{rng.randrange(400)}"
    if key == "nested":
        return rng.choice([[1, "two", None], {"a": {"b": 1}}, b"\x00\xff", None])
    return rng.choice([
        lambda: rng.choice(TEXTS), lambda: rng.choice(TEXTS), lambda: rng.randrange(-5, 200),
        lambda: rng.choice([True, False]), lambda: rng.choice([5.0, 0.5, -3.0, 100.0, float("nan")]),
        lambda: rng.choice([2**63 - 1, -2**63, 2**53 + 1])])()


def random_span(rng, trace, at, spans):
    start = at + rng.randrange(0, 3000) * MS
    attrs = {key: random_value(rng, key) for key in KEYS if rng.random() < 0.4}
    if rng.random() < 0.05:
        attrs["roark.project.tag.lane"] = rng.choice(["fast", "slow"])
    parent = rng.choice(spans).span_id if spans and rng.random() < 0.8 else b""
    span = otlp.span(trace, rng.choice(NAMES), attrs, parent=parent, start=start,
                     end=start + rng.randrange(0, 2000) * MS)
    if rng.random() < 0.08:
        span.status.code = 2
    return span


def random_export(rng, trace, at, spans):
    new = [random_span(rng, trace, at, spans) for _ in range(rng.choice([1, 2, 3, 12]))]
    if spans and rng.random() < 0.4:  # the same span again, with other content
        old = rng.choice(spans)
        again = random_span(rng, trace, at, spans)
        again.span_id = old.span_id
        new.append(again)
    spans += new
    resource = {"service.name": rng.choice(["agent", "agent", "tools", "gateway"])}
    if rng.random() < 0.7:
        resource["roark.project.tag.env"] = rng.choice(["prod", "test", "a:b\\c"])
    if rng.random() < 0.3:
        resource["model"] = rng.choice(TEXTS)
    message = otlp.request(new, resource, scope=rng.choice(["livekit", "other"]))
    if rng.random() < 0.3:
        message.resource_spans[0].scope_spans[0].scope.attributes.extend(
            otlp.attributes({"mixed": rng.choice(TEXTS)}))
    return message


def cripple(message, n):
    """Every seventh trace never gets its root, every ninth has no service."""
    for resource_spans in message.resource_spans:
        if n % 9 == 0:
            kept = [one for one in resource_spans.resource.attributes if one.key != "service.name"]
            del resource_spans.resource.attributes[:]
            resource_spans.resource.attributes.extend(kept)
        for span in resource_spans.scope_spans[0].spans:
            if n % 7 == 0 and not span.parent_span_id:
                span.parent_span_id = b"\x01" * 8


def fill(client, rng, count):
    """Random traces, every fourth one linked."""
    traces = []
    for n in range(count):
        trace_id = otlp.new_trace_id()
        stored = Stored(trace_id)
        at = START + rng.randrange(0, 50_000) * MS
        value = f"search-{uuid.uuid4()}"
        spans = []
        for _ in range(rng.choice([1, 1, 2, 4])):
            message = random_export(rng, trace_id, at, spans)
            cripple(message, n)
            if n % 4 == 0:
                message.resource_spans[0].resource.attributes.extend(
                    otlp.attributes({"roark.external_id": value}))
            sent(client, stored, message)
        if n % 4 == 0:
            assert client.post_json("/v1/call", {"externalId": value}).status == 200
            stored.is_linked = True
        traces.append(stored)
    return traces


@pytest.fixture(scope="module", params=["as-it-came", "sealed"])
def cluster(servers, request):
    """No answer of the explorer may tell whether a trace was sealed."""
    rows = {"seal_quiet_s": 1, "seal_share_percent": 100 if request.param == "sealed" else 0}
    running = servers.cluster(correlator_rows=rows)
    running.is_sealing = request.param == "sealed"
    yield running
    running.close()


def settle(cluster):
    def is_settled():
        segments = cluster.sql("select count(*) filter (where is_sealed), count(*) from segment")[0]
        return segments[0] == segments[1] == cluster.sql("select count(*) from trace")[0][0]

    if cluster.is_sealing:
        wait_until(is_settled, 60, "every trace to be one segment")


@pytest.fixture(scope="module")
def stock(cluster):
    """A project with random traces, and another one with the like, which must never show."""
    rng = random.Random(SEED)
    others = cluster.client(cluster.project("search-others"))
    fill(others, rng, 20)
    client = cluster.client(cluster.project("search"))
    traces = fill(client, rng, 160)
    settle(cluster)
    return client, traces


def random_filter(rng):
    if rng.random() < 0.25:
        return Filter(name=rng.choice(["llm", "LLM_", "node", "e", "Übergabe", "übergabe", "суп", "%_\\",
                                       "none-such", "n" * 1200, "session"]))
    if rng.random() < 0.12:
        return Filter(name=rng.choice([*NAMES, "llm_request", "none-such"]), is_whole=True)
    key = rng.choice(KEYS + ["service.name", "absent"])
    sign = rng.choice([None, ":", ":", ":", "<", ">"])
    if sign is None:
        return Filter(key)
    if sign == ":":
        if key == "id":
            return Filter(key, ":", f"id-{rng.randrange(410)}")
        return Filter(key, ":", rng.choice(TEXTS + ["false", "agent", "7", "100", "9223372036854775807"]))
    return Filter(key, sign, rng.choice(["5", "0", "-3", "99.5", "1e2", "9223372036854775806",
                                         "9.3e18", "-9223372036854775808"]))


def random_query(rng):
    rest = {}
    for name, chance, make in [
            ("service", 0.15, lambda: rng.choice(["agent", "tools", "gateway", "none"])),
            ("status", 0.15, lambda: rng.choice(["error", "ok"])),
            ("root", 0.06, lambda: rng.choice(NAMES[:8] + NAMES[9:] + ["none-such"])),
            ("without", 0.08, lambda: rng.choice([["service"], ["tag:env"], ["tag:lane"], ["tag:env", "tag:lane"], ["tag:none"]])), ("linked", 0.15, lambda: rng.choice([True, False])),
            ("least", 0.1, lambda: rng.randrange(4000)), ("most", 0.1, lambda: rng.randrange(1000, 6000)),
            ("start", 0.15, lambda: START + rng.randrange(0, 50_000) * MS),
            ("stop", 0.15, lambda: START + rng.randrange(0, 50_000) * MS),
            ("tags", 0.15, lambda: rng.choice([[("env", "prod")], [("env", "a:b\\c")],
                                               [("env", "test"), ("lane", "fast")], [("env", "none")]]))]:
        if rng.random() < chance:
            rest[name] = make()
    filters = [random_filter(rng) for _ in range(rng.choice([0, 1, 1, 1, 2, 3, 6]))]
    return Query(filters, **rest)


def walk(client, query, limit):
    """All rows, and the total that each page told; None where counting took too long."""
    rows, totals, after = [], [], None
    while True:
        parameters = [*query.parameters(), ("limit", limit)] + ([("after", after)] if after else [])
        response = client.get("/v1/traces?" + urlencode(parameters))
        assert response.status == 200, (parameters, response.body)
        value = response.json()
        foot = value["pagination"]
        assert len(value["data"]) <= limit
        assert not foot["isPartial"], foot
        rows += value["data"]
        totals.append(foot["total"])
        assert foot["total"] is not None or len(rows) <= foot["atLeast"]
        assert foot["hasMore"] == (foot["nextCursor"] is not None)
        if not foot["hasMore"]:
            return rows, totals
        assert len(totals) < 200
        after = foot["nextCursor"]


def check_spans(query, trace, row):
    """The row tells which spans fit, and by which attributes."""
    if not query.filters:
        assert "matchedSpans" not in row
        return
    wanted = query.spans(trace)
    shown = row["matchedSpans"]
    assert [span["spanId"] for span in shown] == [span.span_id.hex() for span in wanted[:3]]
    assert row["matchedSpansMore"] == len(wanted) - len(shown)
    keys = [one.key for one in query.filters if one.key is not None]
    for span, told in zip(wanted, shown):
        assert told["name"] == span.name
        assert [attribute["key"] for attribute in told["attributes"]] == keys


@pytest.mark.parametrize("seed", range(12))
def test_every_filter_against_a_plain_scan(stock, seed):
    client, traces = stock
    rng = random.Random(SEED + seed)
    some = exact = 0
    for _ in range(25):
        query = random_query(rng)
        wanted = query.scan(traces)
        rows, totals = walk(client, query, rng.choice([3, 10, 100]))
        assert [row["traceId"] for row in rows] == [trace.id for trace in wanted], query.parameters()
        assert set(totals) <= {len(wanted), None}, (totals, query.parameters())
        assert totals[-1] == len(wanted), (totals, query.parameters())
        exact += totals.count(len(wanted))
        for trace, row in zip(wanted, rows):
            check_spans(query, trace, row)
        some += bool(wanted)
    assert some > 5 and exact > 25


def found(client, query):
    return [row["traceId"] for row in walk(client, query, 100)[0]]


def get(client, path, parameters):
    response = client.get(f"{path}?{urlencode(parameters)}")
    assert response.status == 200, (parameters, response.body)
    return response.data


def test_the_other_project_s_traces_never_show(stock, cluster):
    client, traces = stock
    ids = {trace.id for trace in traces}
    everything = [Query([]), Query([Filter(name="e")]), Query([Filter("service.name")]),
                  Query([], service="agent"), Query([], tags=[("env", "prod")])]
    for query in everything:
        shown = found(client, query)
        assert shown and set(shown) <= ids
    nobody = cluster.client(cluster.project("search-nobody"))
    for query in everything:
        assert found(nobody, query) == []
    for field, key in [("name", ""), ("service", ""), ("attr", ""), ("attrValue", "id"), ("tag", ""),
                       ("tagValue", "env")]:
        parameters = [("field", field), ("key", key)]
        assert get(nobody, "/v1/traces/suggest", parameters)["values"] == []
        assert get(client, "/v1/traces/suggest", parameters)["values"]
    assert get(nobody, "/v1/traces/histogram", [])["buckets"] == []
    assert get(nobody, "/v1/traces/groups", [("by", "service")])["values"] == []
    trace = next(iter(ids))
    assert nobody.get(f"/v1/traces/{trace}/search?q=e").status == 404
    assert nobody.get(f"/v1/traces/{trace}/spans/{'0' * 15}1").status == 404


@pytest.mark.parametrize("seed", range(4))
def test_the_histogram_against_a_plain_scan(stock, seed):
    client, traces = stock
    rng = random.Random(SEED + 100 + seed)
    for _ in range(25):
        query = random_query(rng)
        data = get(client, "/v1/traces/histogram", query.parameters())
        assert data["isPartial"] is False
        wanted = query.scan(traces)
        assert data["total"] == {"ok": sum(not trace.has_error for trace in wanted),
                                 "error": sum(trace.has_error for trace in wanted)}
        length = data["bucketMs"] * MS
        counts = {}
        for trace in wanted:
            bucket = counts.setdefault(trace.start // length, {"ok": 0, "error": 0})
            bucket["error" if trace.has_error else "ok"] += 1
        shown = {ns_of(bucket["start"]) // length: {"ok": bucket["ok"], "error": bucket["error"]}
                 for bucket in data["buckets"]}
        assert {n: bucket for n, bucket in shown.items() if any(bucket.values())} == counts
        assert len(shown) <= 61
        assert not shown or sorted(shown) == list(range(min(shown), max(shown) + 1))


def ns_of(text):
    whole = datetime.datetime.fromisoformat(text[:19] + "+00:00")
    return int(whole.timestamp()) * 10**9 + int((text[20:-1] or "0").ljust(9, "0"))


def group_values(trace, by):
    """The values under which a trace counts."""
    if by == "service":
        return trace.services() or {None}
    if by == "name":
        name = (trace.root_name() or "")[:1024]
        return {name or None}
    if by == "status":
        return {"error" if trace.has_error else "ok"}
    return {value for key, value in trace.tags() if key == by.removeprefix("tag:")} or {None}


def nearest_rank(values, percent):
    ordered = sorted(values)
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]


@pytest.mark.parametrize("by", ["service", "name", "status", "tag:env", "tag:lane", "tag:none-such"])
def test_groups_against_a_plain_scan(stock, by):
    client, traces = stock
    rng = random.Random(SEED + len(by))
    for _ in range(20):
        query = random_query(rng)
        data = get(client, "/v1/traces/groups", [("by", by), *query.parameters()])
        wanted = {}
        for trace in query.scan(traces):
            for value in group_values(trace, by):
                wanted.setdefault(value, []).append(trace)
        shown = {group["value"]: group for group in data["values"]}
        assert len(shown) == len(data["values"]) == data["valueCount"]
        if data["none"] is not None:
            shown[None] = data["none"]
        assert set(shown) == set(wanted), (by, query.parameters())
        for value, members in wanted.items():
            group = shown[value]
            assert group["traces"] == len(members)
            assert group["linked"] == sum(trace.is_linked for trace in members)
            assert group["errors"] == sum(trace.has_error for trace in members)
            for name, percent in (("durationP50Ms", 50), ("durationP95Ms", 95)):
                ns = nearest_rank([trace.duration for trace in members], percent)
                assert group[name] == pytest.approx(ns / MS)
        assert data["traceCount"] == len(query.scan(traces))
        sizes = [group["traces"] for group in data["values"]]
        assert sizes == sorted(sizes, reverse=True)


def filter_of_group(by, value):
    """What lists the traces of a group."""
    if value is None:
        return [("without", by)]
    if by.startswith("tag:"):
        return [("tag", by[4:].replace("\\", "\\\\").replace(":", "\\:") + ":" + value)]
    return [({"name": "rootName"}.get(by, by), value)]


@pytest.mark.parametrize("by", ["service", "name", "status", "tag:env", "tag:lane"])
def test_each_group_can_be_listed(stock, by):
    client, traces = stock
    data = get(client, "/v1/traces/groups", [("by", by)])
    groups = data["values"] + ([data["none"]] if data["none"] else [])
    assert len(groups) > 1 and (data["none"] is not None or by == "status")
    for group in groups:
        query = [*filter_of_group(by, group["value"]), ("limit", 100)]
        rows, after = [], None
        while True:
            answer = client.get("/v1/traces?" + urlencode(query + ([("after", after)] if after else []))).json()
            rows += answer["data"]
            after = answer["pagination"]["nextCursor"]
            if after is None:
                break
        wanted = {trace.id for trace in traces if group["value"] in group_values(trace, by)}
        assert {row["traceId"] for row in rows} == wanted and len(rows) == group["traces"], (by, group["value"])


def test_a_row_has_its_tags_and_calls(stock):
    client, traces = stock
    by_id = {trace.id: trace for trace in traces}
    rows, _ = walk(client, Query([]), 100)
    searched, _ = walk(client, Query([Filter(name="e")]), 100)
    assert len(searched) > 50
    for row in rows + searched:
        trace = by_id[row["traceId"]]
        assert [(tag["key"], tag["value"]) for tag in row["tags"]] == sorted(trace.tags())
        assert row["hasMoreTags"] is False
        assert bool(row["conversations"]) == row["linked"] == trace.is_linked
        for one in row["conversations"]:
            assert set(one) == {"id", "kind", "source", "startedAt"}
            assert (one["kind"], one["source"], one["startedAt"]) == ("call", "api", None)


def test_a_row_shows_sixteen_tags_and_two_calls(cluster):
    client = cluster.client(cluster.project("search-row"))
    trace, value = otlp.new_trace_id(), f"row-{uuid.uuid4()}"
    tags = {f"roark.project.tag.k{n:02},": f"a:b,{n}" for n in range(20)}
    message = otlp.request([otlp.span(trace)], {**tags, "roark.external_id": value})
    assert client.export(message.SerializeToString()).status == 200
    call = client.post_json("/v1/call", {"externalId": value, "startedAt": "2026-11-22T14:31:02.114Z"}).data["id"]
    chat = client.post_json("/v1/chat", {"traceId": trace.hex()}).data["id"]
    (row,) = client.get("/v1/traces").data
    assert row["tags"] == [{"key": f"k{n:02},", "value": f"a:b,{n}"} for n in range(16)] and row["hasMoreTags"] is True
    shown = {one["id"]: one for one in row["conversations"]}
    assert shown[call] == {"id": call, "kind": "call", "source": "api", "startedAt": "2026-11-22T14:31:02.114Z"}
    assert shown[chat] == {"id": chat, "kind": "chat", "source": "api", "startedAt": None}


def test_a_root_with_a_name_and_without_is_nobody(stock):
    client, _ = stock
    query = [("rootName", "llm_node"), ("without", "name")]
    assert get(client, "/v1/traces", query) == []
    assert get(client, "/v1/traces/histogram", query)["total"] == {"ok": 0, "error": 0}
    assert get(client, "/v1/traces/groups", [("by", "status"), *query])["values"] == []


def test_more_groups_than_are_shown(cluster):
    client = cluster.client(cluster.project("search-groups"))
    for n in range(0, 130, 26):
        spans = [otlp.request([otlp.span(otlp.new_trace_id())], {"roark.project.tag.run": f"run-{i:03}"})
                 for i in range(n, n + 26)]
        for message in spans:
            assert client.export(message.SerializeToString()).status == 200
    assert client.export(otlp.request([otlp.span(otlp.new_trace_id())]).SerializeToString()).status == 200
    data = get(client, "/v1/traces/groups", [("by", "tag:run")])
    assert [group["value"] for group in data["values"]] == [f"run-{i:03}" for i in range(100)]
    assert data["valueCount"] == 130 and data["traceCount"] == 131
    assert data["none"]["traces"] == 1


@pytest.mark.parametrize("field, key, q, wanted", [
    ("name", "", "LLM", ["LLM_request", "llm_node"]), ("name", "", "суп", ["tool: суп"]),
    ("name", "", "%_\\", ["100%_\\sure"]), ("service", "", "A", ["agent", "gateway"]),
    ("attr", "", "k8s", ["k8s:pod"]), ("attr", "", "КЛЮЧ", []), ("attrValue", "model", "mini", ["gpt-4o-mini"]),
    ("attrValue", "absent", "", []), ("tag", "", "en", ["env"]), ("tagValue", "env", "", None),
    ("tagValue", "env", "pro", ["prod"]), ("attr", "", "303", [])])
def test_suggestions(stock, field, key, q, wanted):
    client, _ = stock
    values = get(client, "/v1/traces/suggest", [("field", field), ("key", key), ("q", q)])["values"]
    assert sorted(values) == (["a:b\\c", "prod", "test"] if wanted is None else sorted(wanted))


def test_suggestions_that_begin_with_it_come_first_and_are_bounded(stock):
    client, _ = stock
    values = get(client, "/v1/traces/suggest", [("field", "name"), ("q", "n")])["values"]
    assert not values[-1].startswith("n") and "llm_node" in values
    data = get(client, "/v1/traces/suggest", [("field", "attrValue"), ("key", "id"), ("limit", 5)])
    assert len(data["values"]) == 5 and data["hasMore"] is True


BAD = [
    ("attr=", "attr"), ("attr=:v", "attr"), ("attr=k%3Cx", "attr"), ("attr=k%3E", "attr"),
    ("attr=k%3C%3D5", "attr"), ("attr=k%3E5s", "attr"), ("attr=k%3ENaN", "attr"), ("attr=k%3E05", "attr"),
    ("attr=k%5C", "attr"), ("attr=" + "k" * 2049, "attr"), ("name=" + "n" * 2049, "name"),
    ("&".join(["attr=k"] * 17), "attr"), ("&".join(["name=k"] * 17), "name"), ("tag=env", "tag"),
    ("tag=:v", "tag"), ("tag=", "tag"), ("&".join(["tag=a:b"] * 17), "tag"), ("status=fine", "status"), ("without=x", "without"),
    ("without=tag:", "without"), ("without=status", "without"), ("&".join(["without=tag:a"] * 17), "without"),
    ("&".join(["without=name"] * 17), "without"),
    ("rootName=" + "n" * 1025, "rootName"), ("nameIs=" + "n" * 2049, "nameIs"),
    ("&".join(["name=k", "nameIs=k"] * 9), "name"),
    ("minDurationMs=-1", "minDurationMs"), ("maxDurationMs=x", "maxDurationMs"), ("service=" + "s" * 256, "service"),
    ("from=x", "from"), ("to=x", "to"), ("linked=1", "linked")]


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/traces/histogram", "/v1/traces/groups"])
@pytest.mark.parametrize("query, name", BAD)
def test_a_bad_filter_is_one_sentence_about_its_parameter(stock, path, query, name):
    client, _ = stock
    response = client.get(f"{path}?by=service&{query}")
    assert response.status == 400, response.body
    code, message = error_of(response.body)
    assert code == "validation_error"
    assert message.startswith(f"{name} ") or f"{name} " in message, message
    assert "\n" not in message


@pytest.mark.parametrize("path, name", [
    ("/v1/traces/groups", "by"), ("/v1/traces/groups?by=tag:", "by"), ("/v1/traces/groups?by=x", "by"),
    ("/v1/traces/suggest", "field"), ("/v1/traces/suggest?field=x", "field"),
    ("/v1/traces/suggest?field=attrValue", "key"), ("/v1/traces/suggest?field=name&limit=0", "limit"),
    ("/v1/traces/suggest?field=name&q=" + "q" * 256, "q"), ("/v1/conversations?state=ok", "state"),
    ("/v1/conversations?source=x", "source"), ("/v1/conversations?errors=1", "errors"),
    ("/v1/conversations?from=x", "from"), ("/v1/conversations?q=" + "q" * 256, "q")])
def test_other_bad_parameters(stock, path, name):
    client, _ = stock
    response = client.get(path)
    assert response.status == 400, response.body
    assert name in error_of(response.body)[1]


def test_a_place_of_another_list_is_no_place_here(stock):
    client, _ = stock
    response = client.get("/v1/traces?name=e&after=" + client.get(
        "/v1/conversations?limit=1").json()["pagination"]["nextCursor"])
    assert response.status == 400
    assert "after" in error_of(response.body)[1]
