"""The simulation itself, against a model of calltrace in memory: it accepts a right one through
lost requests and lost answers, and it notices each fault."""

import gzip
import json
import random
import threading
import uuid

import pytest
from chaos import Chaos
from simulation import Simulation

from support import otlp
from support.client import JSON, NoAnswer, Response
from support.cluster import Project
from support.equation import (KINDS, Facts, create_keys, skipped_traces, span_ids, trace_facts)

FAULTS = ["", "drop_key", "ignore_project", "forget_skip", "lost_dedupe", "wrong_kind",
          "ack_before_commit", "forget_room_flag", "change_span", "lose_span"]


class Model:
    """Stands where a cluster stands. Every answer may get lost, and every request too."""

    def __init__(self, seed: int, fault: str):
        self.random = random.Random(seed)
        self.fault = fault
        self.lock = threading.Lock()
        self.traces: dict[tuple[str, str], Facts] = {}
        self.spans: dict[tuple[str, str], dict[bytes, bytes]] = {}
        self.calls: dict[str, tuple[str, set]] = {}
        self.holders: dict = {}
        self.known: dict = {}
        self.apis = [None, None]

    def project(self, name: str) -> Project:
        return Project(name, str(uuid.uuid4()), "key")

    def client(self, project: Project, _api: int):
        return ModelClient(self, project.id)

    def wait_ready(self):
        pass

    def export(self, project: str, body: bytes, content_type: str, headers) -> Response:
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        request = parse_json(body) if content_type == JSON else \
            otlp.ExportTraceServiceRequest.FromString(body)
        for trace, facts in trace_facts(request).items():
            keys = sorted(facts.keys)
            if self.fault == "drop_key" and len(keys) > 1:
                facts.keys.discard(keys[0])
            if self.fault == "ack_before_commit" and self.random.random() < 0.05:
                continue
            self.traces.setdefault((project, trace), Facts()).add(facts)
        for span in otlp.spans_of(request):
            trace = self.spans.setdefault((project, span.trace_id.hex()), {})
            if self.fault == "lose_span" and span.name == "root":
                continue
            if self.fault == "change_span":
                span.end_time_unix_nano += 1
            trace[span.span_id] = span.SerializeToString()
        assert span_ids(request)
        return Response(200, {}, b"{}" if content_type == JSON else b"")

    def create(self, project: str, kind: str, body: bytes, headers) -> Response:
        retry = headers.get("Idempotency-Key") or (
            body if headers.get("X-Stainless-Retry-Count", "0") != "0" else None)
        first = self.known.get((project, retry))
        if retry is not None and first is not None and self.fault != "lost_dedupe":
            return self.created(first)
        keys = create_keys(kind, json.loads(body))
        if self.fault == "wrong_kind":
            keys = {("livekit" if k == "external" else k, v) for k, v in keys}
        for key in keys:
            if key[0] != "trace" and (project, key) in self.holders:
                return Response(409, {"x-should-retry": "false"}, b"{}")
        call = str(uuid.uuid4())
        self.calls[call] = (project, keys)
        for key in keys:
            self.holders[project, key] = call
        self.known[project, body] = call
        self.known[project, headers.get("Idempotency-Key")] = call
        return self.created(call)

    def created(self, call: str) -> Response:
        return Response(200, {}, json.dumps({"data": {"id": call}}).encode())

    def skipped(self):
        if self.fault == "forget_skip":
            return set()
        if self.fault == "forget_room_flag":
            return {name for name, facts in self.traces.items() if facts.skip}
        return skipped_traces(self.traces)

    def links(self):
        with self.lock:
            skipped, index = self.skipped(), {}
            for (project, trace), facts in self.traces.items():
                if (project, trace) not in skipped:
                    for key in facts.keys:
                        index.setdefault(key, set()).add((project, trace))
            return {(project, call, trace, KINDS[kind], value)
                    for call, (project, keys) in self.calls.items() for kind, value in keys
                    for other, trace in index.get((kind, value), ())
                    if other == project or self.fault == "ignore_project"}

    def sql(self, _statement, _parameters):
        return self.links()


class ModelClient:
    def __init__(self, model: Model, project: str):
        self.model = model
        self.project = project

    def _do(self, action) -> Response:
        with self.model.lock:
            luck = self.model.random.random()
            if luck < 0.03:
                raise NoAnswer("lost on the way there")
            if luck < 0.06:
                return Response(503, {}, b"")
            response = action()
            if luck < 0.10:
                raise NoAnswer("lost on the way back")
            return response

    def export(self, body, content_type, headers):
        return self._do(lambda: self.model.export(self.project, body, content_type, headers))

    def request(self, _method, path, body, headers):
        kind = path.rsplit("/", 1)[1]
        return self._do(lambda: self.model.create(self.project, kind, body, headers))

    def get(self, path, _headers):
        trace = path.rsplit("/", 1)[1]
        with self.model.lock:
            if (self.project, trace) in self.model.skipped():
                return Response(404, {}, b"")
            spans = self.model.spans.get((self.project, trace), {})
            return Response(200, {}, otlp.wrap_raw_spans(list(spans.values())))


def parse_json(body: bytes) -> otlp.ExportTraceServiceRequest:
    """Enough for what the stories send."""
    request = otlp.ExportTraceServiceRequest()
    for resource in json.loads(body)["resourceSpans"]:
        target = request.resource_spans.add()
        target.resource.attributes.extend(parse_attributes(resource["resource"]))
        for scope in resource["scopeSpans"]:
            scope_spans = target.scope_spans.add()
            scope_spans.scope.name = scope["scope"]["name"]
            for span in scope["spans"]:
                scope_spans.spans.add(
                    trace_id=bytes.fromhex(span["traceId"]), name=span["name"], kind=span["kind"],
                    span_id=bytes.fromhex(span["spanId"]),
                    parent_span_id=bytes.fromhex(span.get("parentSpanId", "")),
                    start_time_unix_nano=int(span["startTimeUnixNano"]),
                    end_time_unix_nano=int(span["endTimeUnixNano"]),
                    attributes=parse_attributes(span))
    return request


def parse_attributes(holder: dict):
    values = {}
    for attribute in holder.get("attributes", []):
        ((kind, value),) = attribute["value"].items()
        values[attribute["key"]] = int(value) if kind == "intValue" else value
    return otlp.attributes(values)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault or "none" for fault in FAULTS])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_harness_tells_right_from_wrong(seed, fault):
    model = Model(seed, fault)
    simulation = Simulation(model, seed, 800, workers=4, pause=0.001, quiet=0.05)
    problems = simulation.run(Chaos(model, seed))
    if fault:
        assert problems, f"fault {fault} went unnoticed"
    else:
        assert not problems, "\n".join(problems)
