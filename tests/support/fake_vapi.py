"""A stand-in for VAPI's REST side and for the store of its logs, and one for calltrace's own route."""

import copy
import datetime
import gzip
import http.client
import json
import socket
import ssl
import threading
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

VAPI_KEY = "vapi-private-key"


def iso(at: datetime.datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def read_iso(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


@dataclass
class Request:
    method: str
    path: str
    query: dict
    headers: http.client.HTTPMessage  # names in any case
    body: bytes


class Server:
    """HTTPS on 127.0.0.1; `answers` are scripted ones, taken first: (status, headers, value)."""

    def __init__(self, authority):
        self.requests: list[Request] = []
        self.answers: deque = deque()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def _serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                url = urlsplit(self.path)
                request = Request(self.command, url.path, parse_qs(url.query),
                                  self.headers, self.rfile.read(length))
                outer.requests.append(request)
                status, headers, value = (outer.answers.popleft() if outer.answers
                                          else outer.answer(request))
                body = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                for name, text in headers.items():
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _serve

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.cert, authority.key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"https://localhost:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def answer(self, request: Request):
        raise NotImplementedError

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class LogStore(Server):
    """Where the signed addresses of call logs lead: gzipped lines, only with their signature."""

    def __init__(self, authority):
        super().__init__(authority)
        self.logs: dict[str, bytes] = {}
        self.url = f"https://127.0.0.1:{self.port}"  # another host than VAPI's

    def answer(self, request):
        log = self.logs.get(request.path.removeprefix("/logs/"))
        if log is None or request.query.get("signature") != ["s"]:
            return 403, {}, {"message": "no"}
        return 200, {"Content-Type": "application/gzip"}, log


class Vapi(Server):
    """GET /call and /call/{id}/call-logs as the SDK describes them."""

    def __init__(self, authority):
        super().__init__(authority)
        self.store = LogStore(authority)
        self.calls: list = []
        self.page_max = 1000
        self.refuses_logs = 0  # a status instead of the redirect

    def close(self):
        self.store.close()
        super().close()

    def add(self, call: dict, log: list[dict] | None = None):
        """A call of the list; its log, when there is one, is named in the artifact."""
        if log is not None:
            call.setdefault("artifact", {})["logUrl"] = f"{self.store.url}/logs/{call['id']}"
            lines = "".join(json.dumps(line) + "\n" for line in log)
            self.store.logs[call["id"]] = gzip.compress(lines.encode())
        self.calls.append(call)
        return call

    def answer(self, request):
        if request.headers.get("Authorization") != f"Bearer {VAPI_KEY}":
            return 401, {}, {"message": "Invalid Key.", "statusCode": 401}
        if request.path == "/call":
            return 200, {}, self._page(request.query)
        parts = request.path.split("/")
        if len(parts) == 4 and parts[3] == "call-logs":
            return self._log(parts[2])
        return 404, {}, {"message": "Not Found", "statusCode": 404}

    def _page(self, query):
        def created(call):
            text = call.get("createdAt") if isinstance(call, dict) else None
            return read_iso(text) if text else datetime.datetime.now(datetime.timezone.utc)

        least, before = (read_iso(query[name][0]) for name in ("createdAtGe", "createdAtLt"))
        chosen = [call for call in self.calls if not isinstance(call, dict) or
                  "createdAt" not in call or least <= created(call) < before]
        chosen.sort(key=created, reverse=True)
        return chosen[:min(int(query["limit"][0]), self.page_max)]

    def _log(self, call_id):
        if self.refuses_logs:
            return self.refuses_logs, {}, {"message": "no"}
        if call_id not in self.store.logs:
            return 404, {}, {"message": "Not Found", "statusCode": 404}
        return 302, {"Location": f"{self.store.url}/logs/{call_id}?signature=s"}, b""


class FakeCalltrace(Server):
    """POST /v1/vapi/call: keeps the bodies and remembers the calls."""

    KEY = "ct_live_fake"

    def __init__(self, authority):
        super().__init__(authority)
        self.bodies: dict[str, dict] = {}
        self.refused: dict[str, tuple[int, str]] = {}

    def answer(self, request):
        if request.headers.get("Authorization") != f"Bearer {self.KEY}":
            return 401, {}, {"code": "unauthorized", "message": "the API key is not valid"}
        if (request.method, request.path) != ("POST", "/v1/vapi/call"):
            return 404, {}, {"code": "not_found", "message": "there is no such route"}
        body = json.loads(request.body)
        call_id = body["vapiEndOfCallReportPayload"]["message"]["call"]["id"]
        if call_id in self.refused:
            status, message = self.refused[call_id]
            return status, {}, {"code": "refused", "message": message}
        was_there = call_id in self.bodies
        self.bodies[call_id] = body
        return 200, {}, {"data": {"callId": str(uuid.uuid4()), "alreadyImported": was_there}}


def call_of(created: datetime.datetime, **fields) -> dict:
    """An ended call as GET /call lists it."""
    end = created + datetime.timedelta(minutes=2)
    call = {
        "id": str(uuid.uuid4()), "orgId": str(uuid.uuid4()), "type": "webCall", "status": "ended",
        "createdAt": iso(created), "updatedAt": iso(end), "startedAt": iso(created),
        "endedAt": iso(end), "endedReason": "customer-ended-call", "cost": 0.0425,
        "assistantId": str(uuid.uuid4()), "costs": [{"type": "vapi", "cost": 0.0425}],
        "analysis": {"summary": "A question about a bill."},
        "artifact": {"messages": [], "transcript": "AI: Hello"},
    }
    return {**call, **copy.deepcopy(fields)}


class Proxy:
    """A proxy that only knows CONNECT, and where it was asked to connect to."""

    def __init__(self):
        self.targets: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        target = head.split()[1].decode()
        self.targets.append(target)
        host, _, port = target.rpartition(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
        back.start()
        self._copy(client, server)
        back.join()
        client.close()
        server.close()

    @staticmethod
    def _copy(source, target):
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self):
        self._listener.close()
