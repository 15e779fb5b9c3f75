"""Answers come gzipped to whoever takes that, and are the same octets underneath."""

import gzip
import json
import re
import uuid

import pytest

from support import otlp
from support.client import PROTOBUF
from support.live import Stream

LONG = 300_000  # characters: beyond what a span's answer shows of one value
START = 1_760_000_000_000_000_000


@pytest.fixture(scope="module")
def trace(cluster, project):
    made, span = otlp.new_trace_id(), otlp.new_span_id()
    spans = [otlp.span(made, f"step_{n}", {"note": "the same words in every span"}, start=START + n, end=START + n + 9)
             for n in range(200)]
    spans.append(otlp.span(made, "long", {"value": "word " * (LONG // 5)}, span_id=span, start=START, end=START + 1))
    response = cluster.client(project).export(otlp.request(spans, {"service.name": "packing"}).SerializeToString())
    assert response.status == 200, response.body
    return made.hex(), span.hex()


def accepting(client, path, coding, **headers):
    return client.get(path, {"Accept-Encoding": coding, **headers} if coding is not None else headers)


def both(client, path, **headers):
    """The answer as it is and gzipped, of one and the same state."""
    return client.get(path, headers), accepting(client, path, "gzip", **headers)


@pytest.mark.parametrize("what, headers", [("timeline", {}), ("tree", {}), ("", {"Accept": "application/json"}),
                                           ("", {"Accept": PROTOBUF})])
def test_a_trace_is_byte_equal_underneath(client, trace, what, headers):
    path = f"/v1/traces/{trace[0]}" + (f"/{what}" if what else "")
    plain, packed = both(client, path, **headers)
    assert plain.status == packed.status == 200
    assert plain.header("Content-Encoding") is None and packed.header("Content-Encoding") == "gzip"
    assert packed.header("Content-Type") == plain.header("Content-Type")
    assert len(packed.body) < len(plain.body) / 2
    assert int(packed.header("Content-Length")) == len(packed.body)
    unpacked = gzip.decompress(packed.body)
    if what == "timeline":  # its revision is the time of reading
        unpacked, plain_body = json.loads(unpacked), json.loads(plain.body)
        assert unpacked["data"].pop("revision") and plain_body["data"].pop("revision")
        assert unpacked == plain_body
    else:
        assert unpacked == plain.body


@pytest.mark.parametrize("path", ["/v1/traces/{}/timeline", "/v1/traces"])
def test_caches_are_told_that_it_varies(client, trace, path):
    for response in both(client, path.format(trace[0])):
        assert response.header("Vary").lower() == "accept-encoding"


def test_a_long_value_comes_packed_with_its_own_headers(client, trace):
    span = client.get(f"/v1/traces/{trace[0]}/spans/{trace[1]}")
    path = re.search(r'"address": ?"([^"]+)"', span.body.decode())[1]
    plain, packed = both(client, path)
    assert len(plain.body) == LONG and gzip.decompress(packed.body) == plain.body
    assert packed.header("Content-Disposition") == "attachment" and packed.header("X-Content-Type-Options") == "nosniff"


@pytest.mark.parametrize("coding", [None, "", "identity", "br", "deflate", "gzip;q=0", "gzip; q=0.000", "gzip;q=0, *",
                                    "*;q=0", "gzipped", "gzip;q=oops"])
def test_whoever_does_not_take_gzip_gets_none(client, trace, coding):
    response = accepting(client, f"/v1/traces/{trace[0]}/tree", coding)
    assert response.header("Content-Encoding") is None
    assert json.loads(response.body)["data"]


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", "br;q=1, gzip;q=0.1", "*", "deflate, gzip"])
def test_whoever_takes_it_gets_it(client, trace, coding):
    response = accepting(client, f"/v1/traces/{trace[0]}/tree", coding)
    assert response.header("Content-Encoding") == "gzip"
    assert json.loads(gzip.decompress(response.body))["data"]


@pytest.mark.parametrize("path", ["/v1/traces?name=nothing-has-this-name", "/v1/calls", "/v1/me"])
def test_a_short_answer_comes_as_it_is(client, path):
    response = accepting(client, path, "gzip")
    assert response.header("Content-Encoding") is None and response.json()


@pytest.mark.parametrize("path, status", [("/v1/traces/zz", 400), (f"/v1/traces/{'0' * 31}1", 404), ("/v1/none", 404),
                                          ("/v1/traces?limit=many", 400), ("/v1/traces?" + "attr=&" * 40, 400)])
def test_a_refusal_comes_as_it_is(client, path, status):
    response = accepting(client, path, "gzip")
    assert response.status == status, response.body
    assert response.header("Content-Encoding") is None
    assert response.json()


def test_exports_and_creates_are_answered_as_they_are(client):
    body = otlp.request([otlp.span(otlp.new_trace_id(), "one")], {}).SerializeToString()
    response = client.export(body, headers={"Accept-Encoding": "gzip"})
    assert (response.status, response.body, response.header("Content-Encoding")) == (200, b"", None)
    value = f"packing-{uuid.uuid4()}"
    made = client.post_json("/v1/call", {"externalId": value, "properties": {"x": "y" * 4000}}, {"Accept-Encoding": "gzip"})
    assert made.status == 200 and made.header("Content-Encoding") is None
    assert made.data["id"]


def test_live_events_are_never_packed(cluster, project, client):
    stream = Stream(cluster, project.key, headers={"Accept-Encoding": "gzip"})
    try:
        assert stream.status == 200 and stream.response.getheader("Content-Encoding") is None
        value = f"packing-{uuid.uuid4()}"
        call = client.post_json("/v1/call", {"externalId": value}).data["id"]
        stream.until(("call", {"conversationId": call}))
    finally:
        stream.close()
