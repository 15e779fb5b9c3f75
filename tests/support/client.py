"""A plain HTTP(S) client with verification on and one kept-alive connection per thread."""

import http.client
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass

from . import secrets

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


class NoAnswer(Exception):
    """The request was sent, or half sent, and nobody answered."""


def note_secrets(path: str, headers: dict):
    """What of a request must not reach a log: keys, sessions, signatures, and tokens in addresses."""
    for name, value in headers.items():
        if name.lower() in ("authorization", "x-roark-api-key", "x-api-key", "x-vapi-secret", "x-vapi-signature"):
            secrets.note(str(value or "").split(" ")[-1])
        elif name.lower() == "cookie":
            secrets.note(*(part.partition("=")[2] for part in str(value or "").split(";")[:2]))
    secrets.note(path.partition("token=")[2])


@dataclass
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def data(self):
        return self.json()["data"]

    def header(self, name: str) -> str | None:
        return self.headers.get(name)


class Client:
    """Talks to one server with one key. Threads may share it."""

    def __init__(self, port: int, context: ssl.SSLContext | None, key: str | None = None,
                 host="127.0.0.1", timeout=15.0):
        self.host = host
        self.port = port
        self.context = context
        self.key = key
        self.timeout = timeout
        self._local = threading.local()

    def with_key(self, key: str | None) -> "Client":
        return Client(self.port, self.context, key, self.host, self.timeout)

    def _connection(self) -> http.client.HTTPConnection:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            if self.context is None:
                connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            else:
                connection = http.client.HTTPSConnection(self.host, self.port,
                                                         timeout=self.timeout,
                                                         context=self.context)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._local.connection = connection
        return connection

    def close(self):
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def request(self, method: str, path: str, body=None, headers=None) -> Response:
        """One try. `body` is bytes, or an iterable of bytes, which is sent chunked."""
        all_headers = dict(headers or {})
        if self.key is not None and "Authorization" not in all_headers:
            all_headers["Authorization"] = f"Bearer {self.key}"
        note_secrets(path, all_headers)
        chunked = body is not None and not isinstance(body, (bytes, bytearray))
        try:
            connection = self._connection()
            connection.request(method, path, body, all_headers, encode_chunked=chunked)
            answer = connection.getresponse()
            response = Response(answer.status, answer.headers, answer.read())
            note_secrets("", {"Cookie": answer.headers.get("Set-Cookie")})
            if answer.will_close:
                self.close()
            return response
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NoAnswer(f"{method} {path}: {error!r}") from error

    def get(self, path: str, headers=None) -> Response:
        return self.request("GET", path, None, headers)

    def post_json(self, path: str, value, headers=None) -> Response:
        return self.request("POST", path, json.dumps(value).encode(),
                            {"Content-Type": JSON, **(headers or {})})

    def export(self, body: bytes, content_type=PROTOBUF, path="/v1/traces", headers=None):
        return self.request("POST", path, body, {"Content-Type": content_type, **(headers or {})})

    def retrying(self, method: str, path: str, body=None, headers=None, budget=15.0) -> Response:
        """As a well-behaved client: tries again on 503 and on no answer, within the budget."""
        deadline = time.monotonic() + budget
        while True:
            try:
                response = self.request(method, path, body, headers)
                if response.status not in (429, 502, 503, 504):
                    return response
                problem = f"{response.status} {response.body[:200]!r}"
            except NoAnswer as error:
                problem = str(error)
            if time.monotonic() > deadline:
                raise NoAnswer(f"no success within {budget} s, last: {problem}")
            time.sleep(0.1)
