"""A plain scan of decoded spans: what the explorer's filters mean, written down a second time and slowly."""

import json
import re

from support import otlp

NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


class Stored:
    """One trace as it was sent: its exports, and what they come to."""

    def __init__(self, trace_id: bytes):
        self.id = trace_id.hex()
        self.exports = []
        self.is_linked = False

    def add(self, message):
        self.exports.append(message)

    def parts(self):
        for message in self.exports:
            for resource_spans in message.resource_spans:
                for scope_spans in resource_spans.scope_spans:
                    for span in scope_spans.spans:
                        yield resource_spans.resource, scope_spans.scope, span

    def spans(self):
        """Each span id once: the later end wins, then the greater octets."""
        best = {}
        for resource, scope, span in self.parts():
            rank = (span.end_time_unix_nano, span.SerializeToString())
            if span.span_id not in best or rank > best[span.span_id][0]:
                best[span.span_id] = (rank, resource, scope, span)
        return [entry[1:] for entry in best.values()]

    @property
    def start(self):
        return min(span.start_time_unix_nano for _, _, span in self.parts())

    @property
    def duration(self):
        return max(span.end_time_unix_nano for _, _, span in self.parts()) - self.start

    @property
    def has_error(self):
        return any(span.status.code == 2 for _, _, span in self.parts())

    def services(self):
        return {a.value.string_value for resource, _, _ in self.parts() for a in resource.attributes
                if a.key == "service.name"}

    def root_name(self):
        roots = sorted((span.start_time_unix_nano, span.span_id, span.name)
                       for _, _, span in self.parts() if not span.parent_span_id)
        return roots[0][2] if roots else None

    def has(self, by: str) -> bool:
        """Has it a value to be grouped by?"""
        if by == "service":
            return bool(self.services())
        if by == "name":
            return bool(self.root_name())
        return any(f"tag:{key}" == by for key, _ in self.tags())

    def tags(self):
        prefix = "roark.project.tag."
        return {(a.key[len(prefix):], text_of(a.value)) for resource, _, span in self.parts()
                for a in [*resource.attributes, *span.attributes] if a.key.startswith(prefix)}


def text_of(value):
    kind = value.WhichOneof("value")
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    return str(value.int_value) if kind == "int_value" else value.string_value


def number_of(text: str):
    if len(text.encode()) > 64 or not NUMBER.fullmatch(text):
        return None
    if re.fullmatch("-?[0-9]+", text) and -2**63 <= int(text) < 2**63:
        return int(text)
    value = float(text)
    return value if abs(value) != float("inf") else None


def is_equal(value, text: str) -> bool:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value == text
    if kind == "bool_value":
        return text == ("true" if value.bool_value else "false")
    if kind in ("int_value", "double_value"):
        number = number_of(text)
        return number is not None and getattr(value, kind) == number
    return False


def compares(value, sign: str, number) -> bool:
    kind = value.WhichOneof("value")
    have = None
    if kind in ("int_value", "double_value"):
        have = getattr(value, kind)
    elif kind == "string_value":
        have = number_of(value.string_value)
    if have is None or have != have:
        return False
    return have < number if sign == "<" else have > number


def ascii_lower(text: str) -> str:
    return "".join(c.lower() if "A" <= c <= "Z" else c for c in text)


class Filter:
    """One `name`, `nameIs` or `attr` filter."""

    def __init__(self, key=None, sign=None, value=None, name=None, is_whole=False):
        self.key, self.sign, self.value, self.name, self.is_whole = key, sign, value, name, is_whole

    def parameter(self):
        if self.name is not None:
            return ("nameIs" if self.is_whole else "name", self.name)
        key = re.sub(r"([\\:<>])", r"\\\1", self.key)
        return ("attr", key + ("" if self.sign is None else f"{self.sign}{self.value}"))

    def holds(self, resource, scope, span) -> bool:
        if self.name is not None:
            return span.name == self.name if self.is_whole else ascii_lower(self.name) in ascii_lower(span.name)
        return any(self.fits(attribute.value) for place in (resource, scope, span)
                   for attribute in place.attributes if attribute.key == self.key)

    def fits(self, value) -> bool:
        if self.sign is None:
            return True
        if self.sign == ":":
            return is_equal(value, self.value)
        return compares(value, self.sign, number_of(self.value))


class Query:
    """Every filter at once."""

    def __init__(self, filters=(), **rest):
        self.filters = list(filters)
        self.rest = rest  # service, status, linked, least, most (ms), start, stop (ns), tags, root, without

    def parameters(self):
        names = {"least": "minDurationMs", "most": "maxDurationMs", "root": "rootName"}
        out = [one.parameter() for one in self.filters]
        for name, value in self.rest.items():
            if name == "tags":
                out += [("tag", re.sub(r"([\\:])", r"\\\1", key) + ":" + text) for key, text in value]
            elif name == "without":
                out += [("without", one) for one in value]
            elif name in ("start", "stop"):
                out.append(("from" if name == "start" else "to", otlp_time(value)))
            else:
                text = str(value).lower() if isinstance(value, bool) else str(value)
                out.append((names.get(name, name), text))
        return out

    def spans(self, trace: Stored):
        """The spans that fit, first ones first."""
        found = [span for resource, scope, span in trace.spans()
                 if all(one.holds(resource, scope, span) for one in self.filters)]
        return sorted(found, key=lambda span: (span.start_time_unix_nano, span.span_id))

    def takes(self, trace: Stored) -> bool:
        rest = self.rest
        return all((
            "service" not in rest or rest["service"] in trace.services(),
            "status" not in rest or trace.has_error == (rest["status"] == "error"),
            "linked" not in rest or trace.is_linked == rest["linked"],
            "least" not in rest or trace.duration >= rest["least"] * 1_000_000,
            "most" not in rest or trace.duration <= rest["most"] * 1_000_000,
            "start" not in rest or trace.start >= rest["start"],
            "stop" not in rest or trace.start < rest["stop"],
            set(rest.get("tags", ())) <= trace.tags(),
            "root" not in rest or (trace.root_name() or "") == rest["root"],
            not any(trace.has(one) for one in rest.get("without", ())),
            not self.filters or bool(self.spans(trace))))

    def scan(self, traces):
        """What the list must show, in its order."""
        return sorted((trace for trace in traces if self.takes(trace)),
                      key=lambda trace: (-trace.start, trace.id))


def otlp_time(ns: int) -> str:
    import datetime
    whole = datetime.datetime.fromtimestamp(ns // 10**9, datetime.timezone.utc)
    return whole.strftime("%Y-%m-%dT%H:%M:%S") + f".{ns % 10**9:09d}Z"


def plain(value):
    """A value as pages show it, or None for one that says nothing here."""
    kind = value.WhichOneof("value")
    if kind in ("string_value", "bool_value", "double_value"):
        return getattr(value, kind)
    if kind == "int_value":
        return value.int_value if abs(value.int_value) <= 2**53 else str(value.int_value)
    return json.dumps(None) if kind is None else None


def attributes_of(span) -> dict:
    return {attribute.key: attribute.value for attribute in span.attributes}


def sent(client, stored: Stored, message):
    """Sends an export and remembers it."""
    body = otlp.to_json(message) if len(stored.exports) % 2 else message.SerializeToString()
    content_type = "application/json" if len(stored.exports) % 2 else "application/x-protobuf"
    response = client.export(body, content_type)
    assert response.status == 200, response.body
    stored.add(message)
