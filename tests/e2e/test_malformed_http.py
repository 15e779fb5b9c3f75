"""Requests that no client should send: request smuggling, broken framing, broken heads. Each goes to the real listeners over
a raw socket, with a second request hidden in it. The answers are counted and compared, nothing hidden may have run, and a
connection that stays open must still answer the next request, told by its X-Request-Id, with that request's answer."""

import re
import socket
import time
import uuid

import pytest

from support.client import Client
from support.process import free_port, wait_until

HEAD = b"Host: localhost\r\n"
# How long nothing must come to be nothing; and how long to wait for what has to come.
QUIET_S, ANSWER_S = 0.4, 10


@pytest.fixture(scope="module")
def door(servers):
    """(cluster, plain port, key)"""
    port = free_port()
    cluster = servers.cluster(api_rows={"listen_http": f"127.0.0.1:{port}", "idle_s": 5})
    try:
        yield cluster, port, cluster.project("door").key
    finally:
        cluster.close()


class Wire:
    """A connection and what came back on it, cut into answers by their own lengths."""

    def __init__(self, door, is_tls):
        cluster, port, self.key = door
        self.socket = socket.create_connection(("127.0.0.1", cluster.apis[0].port if is_tls else port), timeout=15)
        if is_tls:
            self.socket = cluster.context.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.octets = b""
        self.is_closed = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            self.is_closed = True  # cut off while we were still sending: what was answered stands

    def read(self, answers=0, to_the_end=False):
        """Until so many answers are there, or the peer is gone; with neither, until it is quiet."""
        is_waited_for = answers > 0 or to_the_end
        deadline = time.monotonic() + (ANSWER_S if is_waited_for else QUIET_S)
        try:
            while to_the_end or not is_waited_for or len(self.answers(is_partial=True)) < answers:
                self.socket.settimeout(max(0.01, deadline - time.monotonic()))
                chunk = self.socket.recv(65536)
                self.octets += chunk
                if not chunk:
                    self.is_closed = True
                    return
        except TimeoutError:
            pass
        except OSError:
            self.is_closed = True

    def answers(self, is_partial=False):
        """[(status, headers, body)]; interim answers are left out, and a last one that has not come whole."""
        rest, found = self.octets, []
        while rest:
            head, gap, rest = rest.partition(b"\r\n\r\n")
            if not gap and is_partial:
                break
            assert gap, f"an answer without an end of its head: {head!r}"
            lines = head.decode("latin-1").split("\r\n")
            status = re.fullmatch(r"HTTP/1\.[01] (\d{3}) .*", lines[0])
            assert status, f"no answer begins like this: {lines[0]!r}"
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            if status.group(1) == "100":
                continue
            assert "content-length" in headers, headers
            length = int(headers["content-length"])
            if len(rest) < length and is_partial:
                break
            assert len(rest) >= length, "the answer is cut"
            found.append((int(status.group(1)), headers, rest[:length]))
            rest = rest[length:]
            if headers.get("connection", "").lower() == "close":
                break  # the last one: libmicrohttpd 0.9.75 sends the heads of some of its own refusals twice
        return found

    def is_in_step(self):
        """Whether the next request on this connection gets its own answer."""
        self.octets = b""
        marker = uuid.uuid4().hex
        self.send(b"GET /v1/me HTTP/1.1\r\n" + HEAD + b"Authorization: Bearer %s\r\nX-Request-Id: %s\r\n\r\n"
                  % (self.key.encode(), marker.encode()))
        self.read(answers=1)
        answers = self.answers()
        return [(status, headers.get("x-request-id")) for status, headers, _ in answers] == [(200, marker)]


def create(key, external):
    """POST /v1/call as octets: a request that would leave something behind."""
    body = b'{"externalId":"%s","startedAt":"2026-01-02T03:04:05Z"}' % external.encode()
    return post(CL % len(body), body, b"/v1/call").replace(b"{key}", key.encode())


def chunked(body, size=None):
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body) if size is None else size, body)


# A case: octets, the statuses that may come in this order, what becomes of the connection. {hidden} stands for a request that
# must never run, {key} for a good key. WAITS: for more of the request.
OPEN, CLOSED, WAITS = "open", "closed", "waits"


def post(headers, body=b"", path=b"/v1/traces", version=b"1.1"):
    return b"POST %s HTTP/%s\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n%s\r\n%s" % (
        path, version, headers, body)


def get(line=b"GET /v1/me HTTP/1.1", headers=HEAD, end=b"\r\n"):
    return line + end + headers.replace(b"\r\n", end) + b"Authorization: Bearer {key}" + end + end


CL = b"Content-Length: %d\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
ZERO = b"0\r\n\r\n"
EMPTY = b"{}"

# Framing: two readings of one length are what smuggling lives on.
FRAMING = {
    "length and chunks": (post(CL % 5 + TE, ZERO + b"{hidden}"), [400], CLOSED),
    "chunks and length": (post(TE + CL % 5, ZERO + b"{hidden}"), [400], CLOSED),
    "length 0 and chunks": (post(CL % 0 + TE, chunked(EMPTY) + b"{hidden}"), [400], CLOSED),
    "two lengths that differ": (post(CL % 2 + CL % 0, EMPTY + b"{hidden}"), [400], CLOSED),
    "two lengths alike": (post(CL % 2 + CL % 2, EMPTY + b"{hidden}"), [400], CLOSED),
    "a list of lengths": (post(b"Content-Length: 2, 2\r\n", EMPTY + b"{hidden}"), [400], CLOSED),
    "a signed length": (post(b"Content-Length: +2\r\n", EMPTY + b"{hidden}"), [400], CLOSED),
    "a negative length": (post(b"Content-Length: -1\r\n", b"{hidden}"), [400], CLOSED),
    "a hexadecimal length": (post(b"Content-Length: 0x2\r\n", EMPTY + b"{hidden}"), [400], CLOSED),
    "an empty length": (post(b"Content-Length:\r\n", b"{hidden}"), [400], CLOSED),
    "a length with a space in it": (post(b"Content-Length: 2 2\r\n", EMPTY + b"{hidden}"), [400], CLOSED),
    "a length beyond 64 bits": (post(b"Content-Length: 18446744073709551618\r\n", EMPTY + b"{hidden}"), [413], CLOSED),
    "a length with a fraction": (post(b"Content-Length: 2.0\r\n", EMPTY + b"{hidden}"), [400], CLOSED),
    "a space before the colon": (post(b"Content-Length : 2\r\n", EMPTY + b"{hidden}"), [400], CLOSED),
    "chunks with a space before the colon": (post(b"Transfer-Encoding : chunked\r\n", ZERO + b"{hidden}"), [400], CLOSED),
    "two transfer encodings": (post(TE + TE, ZERO + b"{hidden}"), [400], CLOSED),
    "chunked twice": (post(b"Transfer-Encoding: chunked, chunked\r\n", ZERO + b"{hidden}"), [400], CLOSED),
    "gzip, chunked": (post(b"Transfer-Encoding: gzip, chunked\r\n", ZERO + b"{hidden}"), [400], CLOSED),
    "chunked, identity": (post(b"Transfer-Encoding: chunked, identity\r\n", ZERO + b"{hidden}"), [400], CLOSED),
    "identity": (post(b"Transfer-Encoding: identity\r\n", ZERO + b"{hidden}"), [400], CLOSED),
    "an unknown encoding": (post(b"Transfer-Encoding: xchunked\r\n", ZERO + b"{hidden}"), [400], CLOSED),
    "a quoted encoding": (post(b'Transfer-Encoding: "chunked"\r\n', ZERO + b"{hidden}"), [400], CLOSED),
    "an encoding behind a tab": (post(b"Transfer-Encoding:\tchunked\r\n", chunked(EMPTY)), [200], OPEN),
    "an encoding with a vertical tab": (post(b"Transfer-Encoding: \x0bchunked\r\n", ZERO + b"{hidden}"), [400], CLOSED),
    "chunks of HTTP/1.0": (post(TE, chunked(EMPTY) + b"{hidden}", version=b"1.0"), [200], CLOSED),
    "a folded encoding": (post(b"Transfer-Encoding:\r\n chunked\r\n", chunked(EMPTY) + b"{hidden}"), [400], CLOSED),
    "a folded length": (post(b"Content-Length:\r\n 2\r\n", EMPTY + b"{hidden}"), [400], CLOSED),
    "a body of GET": (get(headers=HEAD + CL % 2) + EMPTY, [413], OPEN),
    "a request hidden in the body of GET": (get(headers=HEAD + b"Content-Length: {hidden length}\r\n") + b"{hidden}", [413], OPEN),
    "a request hidden in a body": (post(b"Content-Length: {hidden length}\r\n", b"{hidden}"), [400], OPEN),
    "no length": (post(b"", b""), [400], OPEN),
}

# The chunks of a body whose head is in order.
CHUNKS = {
    "a size that is no number": (post(TE, b"zz\r\n{}\r\n" + ZERO + b"{hidden}"), [400], CLOSED),
    "no size": (post(TE, b"\r\n{}\r\n" + ZERO + b"{hidden}"), [400], CLOSED),
    "a negative size": (post(TE, b"-2\r\n{}\r\n" + ZERO + b"{hidden}"), [400], CLOSED),
    "a size with a prefix": (post(TE, b"0x2\r\n{}\r\n" + ZERO + b"{hidden}"), [400], CLOSED),
    "a size beyond 64 bits": (post(TE, b"1" + b"0" * 16 + b"2\r\n{}\r\n" + ZERO + b"{hidden}"), [413], CLOSED),
    "a size larger than allowed": (post(TE, b"7fffffff\r\n{}\r\n" + ZERO + b"{hidden}"), [], WAITS),
    "a size that is too small": (post(TE, chunked(b"{} {}", 2) + b"{hidden}"), [400], CLOSED),
    "a chunk without its end": (post(TE, b"2\r\n{}" + ZERO + b"{hidden}"), [400], CLOSED),
    "a bare line feed behind the size": (post(TE, b"2\n{}\r\n0\r\n\r\n"), [200], OPEN),
    "an extension": (post(TE, b"2;a=b\r\n{}\r\n" + ZERO), [200], OPEN),
    "an extension that never ends": (post(TE, b"2;" + b"a" * 40000 + b"\r\n{}\r\n" + ZERO), [500], CLOSED),
    "trailers": (post(TE, b"2\r\n{}\r\n0\r\nContent-Length: 5\r\nX: y\r\n\r\n"), [200], OPEN),
    "a smuggled trailer": (post(TE, b"2\r\n{}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), [200], OPEN),
    "many small chunks": (post(TE, b"1\r\n \r\n" * 2000 + b"2\r\n{}\r\n" + ZERO), [200], OPEN),
}

# Request lines and headers.
HEADS = {
    "NUL in a header": (get(headers=HEAD + b"X: a\0b\r\n"), [200], OPEN),
    "NUL in the target": (get(b"GET /v1/me\0x HTTP/1.1"), [200], OPEN),
    "NUL in a header's name": (get(headers=HEAD + b"X\0: a\r\n"), [400], CLOSED),
    "bare line feeds": (get(end=b"\n"), [200], OPEN),
    "a bare carriage return in a header": (get(headers=HEAD + b"X: a\rY: b\r\n"), [200], OPEN),
    "a bare carriage return before a header": (get(headers=HEAD + b"\rX: b\r\n"), [400], CLOSED),
    "a header without a colon": (get(headers=HEAD + b"nonsense\r\n"), [400], CLOSED),
    "a header without a name": (get(headers=HEAD + b": x\r\n"), [401, 400], CLOSED),
    "a space in a header's name": (get(headers=HEAD + b"X Y: z\r\n"), [400], CLOSED),
    "a folded header": (get(headers=HEAD + b"X: a\r\n b\r\n"), [200], OPEN),
    "a first header that is folded": (get(headers=b" X: a\r\n" + HEAD), [400], CLOSED),
    "two hosts": (get(headers=HEAD + b"Host: elsewhere\r\n"), [400], CLOSED),
    "no host": (get(headers=b""), [400], CLOSED),
    "a length with NUL behind it": (post(b"Content-Length: 2\0 9\r\n", EMPTY), [200], OPEN),
    "a name that is no token": (get(headers=HEAD + b"X(y): z\r\n"), [400], CLOSED),
    "the absolute form": (get(b"GET http://localhost/v1/me HTTP/1.1"), [200], OPEN),
    "the absolute form of another host": (get(b"GET http://elsewhere/v1/me HTTP/1.1"), [200], OPEN),
    "the authority form": (get(b"CONNECT localhost:443 HTTP/1.1"), [404], OPEN),
    "the asterisk form": (get(b"OPTIONS * HTTP/1.1"), [404], OPEN),
    "a method that is none": (get(b"G\xc3\x84T /v1/me HTTP/1.1"), [405], OPEN),
    "a method in lower case": (get(b"get /v1/me HTTP/1.1"), [405], OPEN),
    "TRACE": (get(b"TRACE /v1/me HTTP/1.1"), [405], OPEN),
    "two spaces in the request line": (get(b"GET  /v1/me HTTP/1.1"), [200], OPEN),
    "a tab in the request line": (get(b"GET\t/v1/me\tHTTP/1.1"), [], CLOSED),
    "a space in the target": (get(b"GET /v1/me x HTTP/1.1"), [], CLOSED),
    "no version": (get(b"GET /v1/me"), [400], CLOSED),
    "HTTP/0.9": (b"GET /v1/me\r\n\r\n", [400], CLOSED),
    "HTTP/2.0": (get(b"GET /v1/me HTTP/2.0"), [505], CLOSED),
    "HTTP/1.2": (get(b"GET /v1/me HTTP/1.2"), [200], OPEN),
    "HTTP/1.10": (get(b"GET /v1/me HTTP/1.10"), [400], CLOSED),
    "http/1.1": (get(b"GET /v1/me http/1.1"), [400], CLOSED),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0", [505], CLOSED),
    "h2c": (get(headers=HEAD + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), [200], OPEN),
    "a huge header": (get(headers=HEAD + b"X: " + b"a" * 20000 + b"\r\n"), [431], CLOSED),
    "a thousand headers": (get(headers=HEAD + b"X: a\r\n" * 4000), [431], CLOSED),
    "a huge target": (get(b"GET /v1/me?" + b"a" * 20000 + b" HTTP/1.1"), [431], CLOSED),
    "a huge method": (get(b"G" * 40000 + b" /v1/me HTTP/1.1"), [414], CLOSED),
    "an encoded NUL": (get(b"GET /v1/me%00 HTTP/1.1"), [400], OPEN),
    "an encoded line end": (get(b"GET /v1/me%0d%0aX:%20y HTTP/1.1"), [404], OPEN),
    "a fragment": (get(b"GET /v1/me#x HTTP/1.1"), [200], OPEN),
    "a request id with a line end": (get(headers=HEAD + b"X-Request-Id: a%0d%0ab\r\n"), [200], OPEN),
    "empty lines before a request": (b"\r\n\r\n" + get(), [200], OPEN),
    "octets that are no HTTP": (bytes(range(256)) * 4 + b"\r\n\r\n", [400], CLOSED),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 600, [], WAITS),
    "expecting what nobody knows": (post(b"Expect: 200-maybe\r\n" + CL % 2, EMPTY), [200], OPEN),
}


def filled(octets, key, hidden):
    octets = octets.replace(b"{hidden length}", b"%d" % len(hidden)).replace(b"{key}", key.encode())
    return octets.replace(b"{hidden}", hidden)


def calls_named(door, external):
    cluster, port, key = door
    listing = Client(port, None, key).get("/v1/call?limit=100")
    assert listing.status == 200, listing.body
    return [call["id"] for call in listing.data if external in str(call)]


CASES = [pytest.param(case, id=name) for table in (FRAMING, CHUNKS, HEADS) for name, case in table.items()]


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("case", CASES)
def test_a_malformed_request_is_answered_and_nothing_hidden_runs(door, case, is_tls):
    octets, statuses, fate = case
    external = f"hidden-{uuid.uuid4()}"
    hidden = create(door[2], external)
    with Wire(door, is_tls) as wire:
        wire.send(filled(octets, door[2], hidden))
        wire.read(len(statuses), to_the_end=fate == CLOSED)
        answers = wire.answers()
        assert [status for status, _, _ in answers] == statuses
        assert wire.is_closed == (fate == CLOSED)
        if fate == OPEN:  # an answer too many would come before that of the next request
            assert wire.is_in_step()
    assert calls_named(door, external) == []


def test_what_is_hidden_would_run_if_it_were_read(door):
    """The tests above could not fail without this."""
    external = f"seen-{uuid.uuid4()}"
    with Wire(door, False) as wire:
        wire.send(create(door[2], external))
        wire.read(1)
        assert [status for status, _, _ in wire.answers()] == [200]
        assert wire.is_in_step()
    assert len(calls_named(door, external)) == 1


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_pipelined_requests_are_answered_in_their_order(door, is_tls):
    ids = [uuid.uuid4().hex for _ in range(20)]
    requests = [b"GET /v1/me HTTP/1.1\r\n" + HEAD + b"X-Request-Id: %s\r\n%s\r\n" % (
        one.encode(), b"" if n % 3 == 0 else b"Authorization: Bearer %s\r\n" % door[2].encode()) for n, one in enumerate(ids)]
    with Wire(door, is_tls) as wire:
        wire.send(b"".join(requests))
        wire.read(len(requests))
        answers = wire.answers()
        assert [headers["x-request-id"] for _, headers, _ in answers] == ids
        assert [status for status, _, _ in answers] == [401 if n % 3 == 0 else 200 for n in range(20)]
        assert not wire.is_closed


@pytest.mark.parametrize("headers, stays", [(b"", False), (b"Connection: keep-alive\r\n", True), (b"Connection: close\r\n", False)])
def test_http_1_0_stays_open_only_when_asked_to(door, headers, stays):
    with Wire(door, False) as wire:
        wire.send(filled(get(b"GET /v1/me HTTP/1.0", HEAD + headers), door[2], b""))
        wire.read(1, to_the_end=not stays)
        assert [status for status, _, _ in wire.answers()] == [200]
        assert wire.is_closed is not stays
        if stays:
            assert wire.is_in_step()


@pytest.mark.parametrize("octets", [b"", b"G", b"GET /v1/me HTTP/1.1\r\nHost: loc", post(CL % 50, b"{"), post(TE, b"5\r\n{")],
                         ids=["nothing", "a letter", "half a head", "half a body", "half a chunk"])
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_a_client_that_leaves_early_leaves_nothing_behind(door, octets, is_tls):
    api = door[0].apis[0]
    with Wire(door, is_tls) as wire:
        wire.send(filled(octets, door[2], b""))
    with Wire(door, is_tls) as wire:
        assert wire.is_in_step()
    wait_until(lambda: api.metrics()["calltrace_api_requests_in_flight"] == 0, 15, "requests to be over")


def test_an_id_that_is_not_well_formed_is_replaced(door):
    for given, is_kept in ((b"req-1_A.b:c/d", True), (b"a" * 64, True), (b"a" * 65, False), (b"a b", False), (b"\"x\"", False),
                           (b"", False), (b"\xc3\xbc", False)):
        with Wire(door, False) as wire:
            wire.send(filled(get(headers=HEAD + b"X-Request-Id: " + given + b"\r\n"), door[2], b""))
            wire.read(1)
            (status, headers, _), = wire.answers()
            assert status == 200
            assert (headers["x-request-id"] == given.decode("latin-1")) is is_kept
            assert is_kept or re.fullmatch("[0-9a-f]{16}", headers["x-request-id"])
