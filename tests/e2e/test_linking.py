"""The rules of the link equation one by one, trace first and call first, through the real way.

Several rows hold a decision where the documented product is silent (README)."""

import uuid

import pytest

from support import otlp
from support.equation import KINDS

ORDERS = ["trace first", "call first"]


class World:
    """Sends one request and one create in a chosen order and reads table `link`."""

    def __init__(self, cluster, project):
        self.cluster = cluster
        self.project = project
        self.client = cluster.client(project)

    def export(self, request):
        response = self.client.export(request.SerializeToString())
        assert (response.status, response.body) == (200, b""), response.body

    def create(self, body, kind="call") -> str:
        response = self.client.post_json(f"/v1/{kind}", body)
        assert response.status == 200, response.body
        return response.data["id"]

    def both(self, order, request, body, kind="call") -> str:
        if order == "trace first":
            self.export(request)
            return self.create(body, kind)
        call = self.create(body, kind)
        self.export(request)
        return call

    def links(self, call) -> set[tuple[str, str, bytes]]:
        names = {number: name for name, number in KINDS.items()}
        return {(row[2], names[row[3]], row[4]) for row in self.cluster.links()
                if row[0] == self.project.id and row[1] == call}


@pytest.fixture
def world(cluster, project):
    return World(cluster, project)


def text(prefix=""):
    return prefix + str(uuid.uuid4())


def on_resource(name, value):
    trace = otlp.new_trace_id()
    return trace, otlp.request([otlp.span(trace)], {name: value})


def on_child(name, value):
    """On a span that is not the root."""
    trace, root = otlp.new_trace_id(), otlp.new_span_id()
    return trace, otlp.request([otlp.span(trace, span_id=root),
                                otlp.span(trace, attrs={name: value}, parent=root)])


PLACES = [on_resource, on_child]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name, prefix, field, kind, places", [
    ("roark.external_id", "", "externalId", "external", PLACES),
    ("livekit.room.id", "RM_", "livekitRoomId", "livekit", PLACES),
    ("livekit.room.id", "any", "livekitRoomId", "livekit", PLACES),
    ("room_id", "RM_", "livekitRoomId", "livekit", PLACES),
    ("lk.room_sid", "RM_", "livekitRoomId", "livekit", PLACES),
    ("gen_ai.conversation.id", "RM_", "livekitRoomId", "livekit", PLACES),
    ("vapi.call.id", "", "vapiCallId", "vapi", [on_resource])])
@pytest.mark.parametrize("place", PLACES)
def test_every_row_of_the_key_table(world, order, place, name, prefix, field, kind, places):
    """An attribute counts in the places of its row and nowhere else."""
    value = text(prefix)
    trace, request = place(name, value)
    call = world.both(order, request, {field: value})
    counts = place in places
    assert world.links(call) == ({(trace.hex(), kind, value.encode())} if counts else set())


@pytest.mark.parametrize("order", ORDERS)
def test_a_chat_by_external_id_and_by_trace_id(world, order):
    value = text()
    trace, request = on_resource("roark.external_id", value)
    chat = world.both(order, request, {"externalId": value, "traceId": trace.hex()}, "chat")
    assert world.links(chat) == {(trace.hex(), "external", value.encode()),
                                 (trace.hex(), "trace", trace.hex().encode())}


def test_a_chat_s_trace_id_in_upper_case(world):
    trace, request = on_resource("x", "y")
    chat = world.both("call first", request, {"traceId": trace.hex().upper()}, "chat")
    assert world.links(chat) == {(trace.hex(), "trace", trace.hex().encode())}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name, make, field", [
    ("room_id", lambda v: v, "livekitRoomId"),
    ("room_id", lambda v: "rm_" + v, "livekitRoomId"),
    ("lk.room_sid", lambda v: v, "livekitRoomId"),
    ("gen_ai.conversation.id", lambda v: v, "livekitRoomId"),
    ("roark.externalId", lambda v: v, "externalId"),
    ("external_id", lambda v: v, "externalId"),
    ("conversation.id", lambda v: v, "externalId"),
    ("livekit.room.name", lambda v: v, "livekitRoomId"),
    ("livekit.room.id", lambda v: v, "externalId"),
    ("roark.external_id", lambda v: v, "livekitRoomId")])
def test_near_misses_are_not_linked(world, order, place, name, make, field):
    value = make(text())
    _, request = place(name, value)
    assert world.links(world.both(order, request, {field: value})) == set()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("change", [str.upper, lambda v: v + " ", lambda v: " " + v,
                                    lambda v: v + "\n", lambda v: v[:-1],
                                    lambda v: v.replace("-", "")])
def test_values_must_be_equal_octet_for_octet(world, order, change):
    value = "a" + text()
    _, request = on_resource("roark.external_id", change(value))
    assert world.links(world.both(order, request, {"externalId": value})) == set()


@pytest.mark.parametrize("order", ORDERS)
def test_unicode_is_not_normalised(world, order):
    tail = text()
    _, request = on_resource("roark.external_id", "u\u0308" + tail)
    assert world.links(world.both(order, request, {"externalId": "\u00fc" + tail})) == set()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("value", ["\U0001f600" * 200, "\u00fc" * 200, "x" * 219, "\0",
                                   "'; drop table link; --", "\\x41", "%s", "a|b", "{}"])
def test_texts_of_all_kinds_are_linked(world, order, value):
    value += text()
    trace, request = on_child("roark.external_id", value)
    call = world.both(order, request, {"externalId": value})
    assert world.links(call) == {(trace.hex(), "external", value.encode())}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("sign", [1, -1])
def test_an_integer_counts_as_its_decimal_text(world, order, sign):
    number = sign * (uuid.uuid4().int >> 66)
    trace, request = on_resource("roark.external_id", number)
    call = world.both(order, request, {"externalId": str(number)})
    assert world.links(call) == {(trace.hex(), "external", str(number).encode())}


@pytest.mark.parametrize("value", [True, 1.0, b"x", ["x"], {"a": "x"}, None, ""])
def test_other_values_are_no_keys_and_no_error(world, value):
    _, request = on_resource("roark.external_id", value)
    world.export(request)


def test_a_longer_value_is_no_key_on_a_trace(world):
    value = text().ljust(256, "x")
    _, request = on_resource("roark.external_id", value)
    assert world.links(world.both("trace first", request, {"externalId": value[:255]})) == set()


@pytest.mark.parametrize("order", ORDERS)
def test_two_traces_with_one_external_id_are_both_linked(world, order):
    value = text()
    first, request = on_resource("roark.external_id", value)
    second, other = on_child("roark.external_id", value)
    request.MergeFrom(other)
    call = world.both(order, request, {"externalId": value})
    assert {trace for trace, _, _ in world.links(call)} == {first.hex(), second.hex()}


@pytest.mark.parametrize("order", ORDERS)
def test_a_trace_with_two_keys_of_two_calls_belongs_to_both(world, order):
    a, room = text(), text("RM_")
    trace = otlp.new_trace_id()
    request = otlp.request([otlp.span(trace, attrs={"roark.external_id": a})],
                           {"livekit.room.id": room})
    if order == "trace first":
        world.export(request)
    one, two = world.create({"externalId": a}), world.create({"livekitRoomId": room})
    if order == "call first":
        world.export(request)
    assert world.links(one) == {(trace.hex(), "external", a.encode())}
    assert world.links(two) == {(trace.hex(), "livekit", room.encode())}


@pytest.mark.parametrize("order", ORDERS)
def test_resource_and_span_that_disagree_both_count(world, order):
    a, b = text("a"), text("b")
    trace = otlp.new_trace_id()
    request = otlp.request([otlp.span(trace, attrs={"roark.external_id": a})],
                           {"roark.external_id": b})
    if order == "trace first":
        world.export(request)
    calls = [world.create({"externalId": value}) for value in (a, b)]
    if order == "call first":
        world.export(request)
    assert [len(world.links(call)) for call in calls] == [1, 1]


@pytest.mark.parametrize("order", ORDERS)
def test_a_key_on_the_root_that_comes_last(world, order):
    value, trace, root = text(), otlp.new_trace_id(), otlp.new_span_id()
    early = otlp.request([otlp.span(trace, parent=root) for _ in range(3)])
    last = otlp.request([otlp.span(trace, attrs={"roark.external_id": value}, span_id=root)])
    world.export(early)
    call = world.both(order, last, {"externalId": value})
    assert {name for name, _, _ in world.links(call)} == {trace.hex()}


@pytest.mark.parametrize("order", ORDERS)
def test_both_keys_of_a_call_are_links_of_their_own(world, order):
    value, room = text(), text("RM_")
    trace = otlp.new_trace_id()
    request = otlp.request([otlp.span(trace)], {"livekit.room.id": room, "roark.external_id": value})
    call = world.both(order, request, {"externalId": value, "livekitRoomId": room})
    assert {kind for _, kind, _ in world.links(call)} == {"external", "livekit"}


# Skips

SKIPS = [(True, True), ("true", True), (False, False), ("false", False), ("", False), (1, False),
         ("True", False), (None, False)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("value, skips", SKIPS)
def test_which_values_skip(world, order, value, skips):
    name, trace = text(), otlp.new_trace_id()
    request = otlp.request([otlp.span(trace)], {"roark.external_id": name, "roark.skip": value})
    call = world.both(order, request, {"externalId": name})
    assert bool(world.links(call)) is not skips
    status = world.client.get(f"/v1/traces/{trace.hex()}").status
    assert status == (404 if skips else 200)


@pytest.mark.parametrize("order", ORDERS)
def test_a_late_skip_takes_spans_and_links_away_and_later_ones_are_dropped(world, order):
    name, trace = text(), otlp.new_trace_id()
    plain = otlp.request([otlp.span(trace)], {"roark.external_id": name})
    call = world.both(order, plain, {"externalId": name})
    assert world.links(call)
    world.export(otlp.request([otlp.span(trace)], {"roark.skip": True}))
    assert world.links(call) == set()
    assert world.client.get(f"/v1/traces/{trace.hex()}").status == 404
    world.export(otlp.request([otlp.span(trace)], {"roark.external_id": name}))
    assert world.links(call) == set()
    assert world.client.get(f"/v1/traces/{trace.hex()}").status == 404


def test_a_skip_on_a_span_is_no_skip(world):
    name, trace = text(), otlp.new_trace_id()
    request = otlp.request([otlp.span(trace, attrs={"roark.skip": True})],
                           {"roark.external_id": name})
    assert world.links(world.both("trace first", request, {"externalId": name}))


@pytest.mark.parametrize("skip_first", [True, False])
@pytest.mark.parametrize("together", [True, False], ids=["one export", "room and skip apart"])
def test_a_skipped_trace_flags_its_room(world, skip_first, together):
    room = text("RM_")
    skipped, other = otlp.new_trace_id(), otlp.new_trace_id()
    if together:
        parts = [otlp.request([otlp.span(skipped)], {"livekit.room.id": room, "roark.skip": True})]
    else:
        parts = [otlp.request([otlp.span(skipped)], {"livekit.room.id": room}),
                 otlp.request([otlp.span(skipped)], {"roark.skip": True})]
    plain = otlp.request([otlp.span(other)], {"livekit.room.id": room})
    call = world.create({"livekitRoomId": room})
    for request in (*parts, plain) if skip_first else (plain, *parts):
        world.export(request)
    assert world.links(call) == set()
    assert world.client.get(f"/v1/traces/{other.hex()}").status == 404


def test_a_trace_that_enters_a_flagged_room_late_is_skipped(world):
    room, name = text("RM_"), text()
    world.export(otlp.request([otlp.span(otlp.new_trace_id())],
                              {"livekit.room.id": room, "roark.skip": True}))
    trace = otlp.new_trace_id()
    call = world.create({"externalId": name})
    world.export(otlp.request([otlp.span(trace)], {"roark.external_id": name}))
    assert world.links(call)
    world.export(otlp.request([otlp.span(trace)], {"livekit.room.id": room}))
    assert world.links(call) == set()


def test_a_skip_flags_no_other_kind_and_no_other_project(cluster, world):
    name, room = text(), text("RM_")
    world.export(otlp.request([otlp.span(otlp.new_trace_id())],
                              {"roark.external_id": name, "livekit.room.id": room,
                               "roark.skip": True}))
    _, request = on_resource("roark.external_id", name)
    assert world.links(world.both("trace first", request, {"externalId": name}))
    other = World(cluster, cluster.project(text("other")))
    _, request = on_resource("livekit.room.id", room)
    assert other.links(other.both("trace first", request, {"livekitRoomId": room}))


# Tags


def test_tags_of_any_kind_cost_nothing(world):
    trace = otlp.new_trace_id()
    tags = {f"roark.project.tag.k{n}": f"v{n}" for n in range(40)}
    tags.update({"roark.project.tag.": "empty", "roark.project.tag." + "k" * 200: "v",
                 "roark.project.tag.long": "v" * 300, "roark.project.tag.number": 5,
                 "roark.project.tag.list": ["a"], "roark.project.tag.nul": "a\0b"})
    world.export(otlp.request([otlp.span(trace, attrs=tags)], tags))
    assert world.client.get(f"/v1/traces/{trace.hex()}").status == 200
