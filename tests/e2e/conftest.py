"""Fixtures of the end-to-end tests."""

import pytest

from support import otlp
from support.client import JSON, PROTOBUF, Client, Response

ENCODINGS = [PROTOBUF, JSON]


@pytest.fixture(params=ENCODINGS, ids=["protobuf", "json"])
def encoding(request):
    """The content type of the export and of its answer."""
    return request.param


class Exporter:
    """Sends requests in one encoding and reads traces back."""

    def __init__(self, client: Client, content_type: str):
        self.client = client
        self.content_type = content_type

    def encode(self, message) -> bytes:
        if self.content_type == JSON:
            return otlp.to_json(message)
        return message.SerializeToString()

    def decode(self, response: Response) -> otlp.ExportTraceServiceResponse:
        """The partial success, after the checks that hold for every 200."""
        assert response.status == 200, (response.status, response.body)
        assert response.header("Content-Type") == self.content_type
        if self.content_type == PROTOBUF:
            return otlp.ExportTraceServiceResponse.FromString(response.body)
        out = otlp.ExportTraceServiceResponse()
        partial = response.json().get("partialSuccess", {})
        out.partial_success.rejected_spans = int(partial.get("rejectedSpans", 0))
        out.partial_success.error_message = partial.get("errorMessage", "")
        return out

    def send(self, message, headers=None) -> Response:
        return self.client.export(self.encode(message), self.content_type, headers=headers)

    def accepted(self, response: Response):
        """R1: a 200 that sets nothing."""
        assert response.status == 200, (response.status, response.body)
        assert response.header("Content-Type") == self.content_type
        assert response.body == (b"{}" if self.content_type == JSON else b"")

    def refused(self, response: Response, status: int) -> str:
        """R7: the sentence of the Status, in the request's encoding."""
        assert response.status == status, (response.status, response.body)
        assert response.header("Content-Type") == self.content_type
        sentence = otlp.decode_status(response.body, self.content_type)
        assert sentence, response.body
        return sentence

    def read(self, trace_id: bytes) -> list[otlp.Span]:
        return read_spans(self.client, trace_id)


@pytest.fixture
def exporter(client, encoding):
    return Exporter(client, encoding)


def read_trace(client: Client, trace_id: bytes) -> otlp.TracesData:
    response = client.get(f"/v1/traces/{trace_id.hex()}", {"Accept": PROTOBUF})
    assert response.status == 200, (response.status, response.body)
    assert response.header("Content-Type") == PROTOBUF
    return otlp.TracesData.FromString(response.body)


def read_spans(client: Client, trace_id: bytes) -> list[otlp.Span]:
    return otlp.spans_of(read_trace(client, trace_id))


@pytest.fixture
def spans_of_trace():
    return read_spans


@pytest.fixture
def trace_data():
    return read_trace
