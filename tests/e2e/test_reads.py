"""What was linked is shown: traces of a call, the whole trace, the tree, links, lists."""

import itertools
import time
import uuid

import pytest

from support import otlp
from support.client import JSON, PROTOBUF
from support.cluster import error_of

START = 1_760_000_000_000_000_000
MS = 1_000_000


class Story:
    """One call of three linked traces' worth of spans, made once."""

    def __init__(self, client):
        self.value = f"reads-{uuid.uuid4()}"
        self.trace = otlp.new_trace_id()
        self.root = otlp.new_span_id()
        self.child = otlp.new_span_id()
        root = otlp.span(self.trace, "agent_session", {"roark.external_id": self.value},
                         span_id=self.root, start=START, end=START + 5000 * MS)
        child = otlp.span(self.trace, "llm_node", {"gen_ai.request.model": "m-1"},
                          parent=self.root, span_id=self.child, start=START + 10 * MS,
                          end=START + 900 * MS)
        leaf = otlp.span(self.trace, "tool", parent=self.child, start=START + 20 * MS,
                         end=START + 30 * MS)
        leaf.status.code = 2
        late = otlp.span(self.trace, "tts_node", parent=self.root, start=START + 1000 * MS,
                         end=START + 1100 * MS)
        self.spans = [root, child, leaf, late]
        resource = {"service.name": "voice", "roark.project.tag.env": "prod"}
        for batch in ([child, leaf], [late], [root]):
            body = otlp.request(batch, resource, scope="livekit").SerializeToString()
            assert client.export(body).status == 200
        response = client.post_json("/v1/call", {"externalId": self.value})
        assert response.status == 200, response.body
        self.call = response.data["id"]


@pytest.fixture(scope="module")
def story(cluster, project):
    return Story(cluster.client(project))


def test_the_traces_of_a_call(client, story):
    response = client.get(f"/v1/call/{story.call}/traces")
    assert response.status == 200
    (entry,) = response.data
    text = response.body.decode()
    for part in (story.trace.hex(), story.value, "external", "agent_session", "voice"):
        assert part in text, (part, entry)


def test_the_traces_of_a_chat_by_its_trace_id(client, story):
    response = client.post_json("/v1/chat", {"traceId": story.trace.hex()})
    assert response.status == 200, response.body
    (entry,) = client.get(f"/v1/chat/{response.data['id']}/traces").data
    assert story.trace.hex() in str(entry) and "trace" in str(entry)


def test_the_traces_of_nothing_are_404(client):
    for path in ("call", "chat"):
        response = client.get(f"/v1/{path}/{uuid.uuid4()}/traces")
        assert response.status == 404
        error_of(response.body)


def test_a_call_is_no_chat(client, story):
    assert client.get(f"/v1/chat/{story.call}").status == 404


def test_the_whole_trace_in_protobuf_byte_for_byte(client, story):
    response = client.get(f"/v1/traces/{story.trace.hex()}", {"Accept": PROTOBUF})
    assert response.status == 200
    assert response.header("Content-Type") == PROTOBUF
    assert sorted(otlp.raw_spans(response.body)) == sorted(
        span.SerializeToString() for span in story.spans)
    message = otlp.TracesData.FromString(response.body)
    for resource_spans in message.resource_spans:
        names = {a.key: a.value.string_value for a in resource_spans.resource.attributes}
        assert names == {"service.name": "voice", "roark.project.tag.env": "prod"}
        assert {scope.scope.name for scope in resource_spans.scope_spans} == {"livekit"}


def test_the_whole_trace_in_json(client, story):
    response = client.get(f"/v1/traces/{story.trace.hex()}")
    assert response.status == 200
    assert response.header("Content-Type") == JSON
    got = [span for resource in response.json()["resourceSpans"]
           for scope in resource["scopeSpans"] for span in scope["spans"]]
    assert len(got) == 4
    root = next(span for span in got if span["name"] == "agent_session")
    assert root["traceId"] == story.trace.hex()
    assert root["spanId"] == story.root.hex()
    assert not root.get("parentSpanId")
    assert root["startTimeUnixNano"] == str(START)
    assert root["attributes"] == [
        {"key": "roark.external_id", "value": {"stringValue": story.value}}]


@pytest.mark.parametrize("accept, content_type", [
    ("*/*", JSON), ("application/json", JSON), ("application/*", JSON), (PROTOBUF, PROTOBUF),
    ("application/x-protobuf, application/json;q=0.5", PROTOBUF), ("text/html,*/*;q=0.8", JSON)])
def test_accept_chooses(client, story, accept, content_type):
    response = client.get(f"/v1/traces/{story.trace.hex()}", {"Accept": accept})
    assert (response.status, response.header("Content-Type")) == (200, content_type)


@pytest.mark.parametrize("format, accept, content_type", [
    ("protobuf", "*/*", PROTOBUF), ("protobuf", JSON, PROTOBUF), ("json", PROTOBUF, JSON), ("json", "*/*", JSON)])
def test_the_address_chooses_before_accept(client, story, format, accept, content_type):
    response = client.get(f"/v1/traces/{story.trace.hex()}?format={format}", {"Accept": accept})
    assert (response.status, response.header("Content-Type")) == (200, content_type)


@pytest.mark.parametrize("format", ["", "xml", "PROTOBUF", "protobuf,json", "%00"])
def test_a_format_that_is_none_is_refused(client, story, format):
    response = client.get(f"/v1/traces/{story.trace.hex()}?format={format}")
    assert response.status == 400
    assert "format" in error_of(response.body)[1]


def test_a_trace_id_in_upper_case_is_the_same(client, story):
    assert client.get(f"/v1/traces/{story.trace.hex().upper()}").status == 200


@pytest.mark.parametrize("trace, statuses", [
    ("0" * 31 + "5", {404}), ("00", {400, 404}), ("z" * 32, {400, 404}), ("0" * 33, {400, 404})])
def test_a_trace_that_is_not_there(client, trace, statuses):
    for suffix in ("", "/tree"):
        response = client.get(f"/v1/traces/{trace}{suffix}")
        assert response.status in statuses
        error_of(response.body)


def test_the_tree(client, story):
    response = client.get(f"/v1/traces/{story.trace.hex()}/tree")
    assert response.status == 200
    data = response.data
    spans = data["spans"] if isinstance(data, dict) else data
    assert [span["name"] for span in spans] == ["agent_session", "llm_node", "tool", "tts_node"]
    assert [span["depth"] for span in spans] == [0, 1, 2, 1]


def test_the_tree_of_a_trace_without_its_root(client):
    trace, parent = otlp.new_trace_id(), otlp.new_span_id()
    spans = [otlp.span(trace, "a", parent=parent), otlp.span(trace, "b", parent=parent)]
    client.export(otlp.request(spans).SerializeToString())
    response = client.get(f"/v1/traces/{trace.hex()}/tree")
    assert response.status == 200
    data = response.data
    listed = data["spans"] if isinstance(data, dict) else data
    assert sorted(span["name"] for span in listed) == ["a", "b"]


def test_the_tree_of_spans_in_a_circle(client):
    trace, a, b = otlp.new_trace_id(), otlp.new_span_id(), otlp.new_span_id()
    spans = [otlp.span(trace, "a", parent=b, span_id=a), otlp.span(trace, "b", parent=a, span_id=b),
             otlp.span(trace, "self", parent=b"12345678", span_id=b"12345678")]
    client.export(otlp.request(spans).SerializeToString())
    response = client.get(f"/v1/traces/{trace.hex()}/tree")
    assert response.status == 200
    data = response.data
    listed = data["spans"] if isinstance(data, dict) else data
    assert sorted(span["name"] for span in listed) == ["a", "b", "self"]


def test_links(client, story):
    text = client.get(f"/v1/links?call={story.call}").body.decode()
    assert story.trace.hex() in text and story.value in text
    assert client.get(f"/v1/links?call={uuid.uuid4()}").data == []
    assert story.call in client.get(f"/v1/links?trace={story.trace.hex()}").body.decode()
    assert story.call in client.get("/v1/links?kind=external&limit=100").body.decode()
    assert story.call not in client.get("/v1/links?kind=vapi&limit=100").body.decode()


def walk(client, path, size):
    """All pages of a list; every page has the envelope."""
    found, after, pages = [], None, 0
    joint = "&" if "?" in path else "?"
    while True:
        response = client.get(f"{path}{joint}limit={size}" + (f"&after={after}" if after else ""))
        assert response.status == 200, response.body
        value = response.json()
        assert len(value["data"]) <= size
        found += value["data"]
        pagination = value["pagination"]
        pages += 1
        assert pages < 100
        if not pagination["hasMore"]:
            assert pagination.get("nextCursor") is None
            return found
        after = pagination["nextCursor"]
        assert isinstance(after, str) and after


@pytest.fixture(scope="module")
def crowd(cluster):
    """A project of 25 calls, 25 chats and 25 traces, every second one linked."""
    project = cluster.project("crowd")
    client = cluster.client(project)
    now = time.time_ns()
    for n in range(25):
        assert client.post_json("/v1/call", {"externalId": f"crowd-{n}"}).status == 200
        assert client.post_json("/v1/chat", {"externalId": f"chat-{n}"}).status == 200
        value = f"crowd-{n}" if n % 2 == 0 else "nobody"
        trace = otlp.new_trace_id()
        body = otlp.request([otlp.span(trace, f"t{n}", start=now - n * MS)],
                            {"roark.external_id": value, "service.name": f"svc-{n % 3}"})
        assert client.export(body.SerializeToString()).status == 200
    return client


@pytest.mark.parametrize("path, size", [("/v1/call", 1), *itertools.product(
    ["/v1/call", "/v1/chat", "/v1/traces"], [7, 25, 100])])
def test_lists_are_paged(crowd, path, size):
    found = walk(crowd, path, size)
    ids = [entry.get("id") or entry.get("traceId") for entry in found]
    assert len(ids) == len(set(ids)) == 25


def test_links_are_paged(crowd):
    assert len(walk(crowd, "/v1/links", 5)) == 13


@pytest.mark.parametrize("query, count", [
    ("linked=true", 13), ("linked=false", 12), ("service=svc-0", 9),
    ("service=svc-1&linked=true", 4), ("service=none-such", 0)])
def test_the_explorer_filters(crowd, query, count):
    assert len(walk(crowd, f"/v1/traces?{query}", 10)) == count


def test_the_explorer_s_time_range(crowd):
    far = "from=2001-01-01T00:00:00Z&to=2001-01-02T00:00:00Z"
    assert walk(crowd, f"/v1/traces?{far}", 10) == []
    wide = "from=2001-01-01T00:00:00Z&to=2100-01-02T00:00:00Z"
    assert len(walk(crowd, f"/v1/traces?{wide}", 10)) == 25


@pytest.mark.parametrize("path", ["/v1/call", "/v1/chat"])
def test_lists_are_sorted_both_ways(crowd, path):
    up = [entry["id"] for entry in walk(crowd, f"{path}?sortDirection=asc", 10)]
    down = [entry["id"] for entry in walk(crowd, f"{path}?sortDirection=desc", 10)]
    assert up == down[::-1]
    assert [entry["id"] for entry in walk(crowd, path, 10)] == down


@pytest.mark.parametrize("path", ["/v1/call", "/v1/chat", "/v1/traces", "/v1/links"])
@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=-1", "limit=",
                                   "after=nonsense", "after=%00", "limit=99999999999999999999"])
def test_bad_list_arguments_are_400_by_name(crowd, path, query):
    response = crowd.get(f"{path}?{query}")
    assert response.status == 400, response.body
    if "%00" not in query:  # that is refused as text, before anybody knows the name
        assert query.split("=")[0] in response.body.decode()


@pytest.mark.parametrize("query", ["sortBy=nonsense", "sortDirection=up", "status=x"])
def test_bad_call_list_arguments(crowd, query):
    response = crowd.get(f"/v1/call?{query}")
    assert response.status == 400
    assert query.split("=")[0] in response.body.decode()


@pytest.mark.parametrize("query", ["from=yesterday", "linked=maybe", "to=2026-13-45T00:00:00Z"])
def test_bad_explorer_arguments(crowd, query):
    response = crowd.get(f"/v1/traces?{query}")
    assert response.status == 400
    assert query.split("=")[0] in response.body.decode()


def test_a_skipped_trace_cannot_be_read(client):
    trace = otlp.new_trace_id()
    client.export(otlp.request([otlp.span(trace)]).SerializeToString())
    assert client.get(f"/v1/traces/{trace.hex()}").status == 200
    body = otlp.request([otlp.span(trace)], {"roark.skip": True}).SerializeToString()
    assert client.export(body).status == 200
    assert client.get(f"/v1/traces/{trace.hex()}").status == 404
    assert trace.hex() not in client.get("/v1/traces?limit=100").body.decode()


def test_an_explicit_false_skips_nothing(client):
    trace = otlp.new_trace_id()
    body = otlp.request([otlp.span(trace)], {"roark.skip": False}).SerializeToString()
    assert client.export(body).status == 200
    assert client.get(f"/v1/traces/{trace.hex()}").status == 200


def test_a_late_span_joins_its_trace(client, story):
    trace = otlp.new_trace_id()
    for name in ("first", "later"):
        client.export(otlp.request([otlp.span(trace, name)]).SerializeToString())
    response = client.get(f"/v1/traces/{trace.hex()}", {"Accept": PROTOBUF})
    assert len(otlp.raw_spans(response.body)) == 2
