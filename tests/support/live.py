"""GET /v1/live, read as a page reads it."""

import http.client
import json
import socket

WAIT = 10.0
KEY_USED = ("key", {})


class Stream:
    """One GET /v1/live, read line by line."""

    def __init__(self, cluster, key, api=0, last_id=None, receive_bytes=None, headers=None):
        port = cluster.apis[api].port
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=WAIT, context=cluster.context)
        if receive_bytes:
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            raw.connect(("127.0.0.1", port))
            self.connection.sock = cluster.context.wrap_socket(raw, server_hostname="127.0.0.1")
        headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream", **(headers or {})}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        self.connection.request("GET", "/v1/live", headers=headers)
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self.last_id = None

    def read_any(self, timeout=WAIT):
        """The next (event, data); ("", text) for a comment; None when the stream has ended."""
        if self.connection.sock:
            self.connection.sock.settimeout(timeout)
        event, data, comment = None, None, None
        while True:
            line = self.response.readline()
            if not line:
                return None
            line = line.decode().rstrip("\n")
            if line == "" and (event or comment):
                return (event, data) if event else ("", comment)
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "data":
                data = json.loads(value)
            elif name == "id":
                self.last_id = value
            elif line.startswith(":"):
                comment = line

    def read(self, timeout=WAIT):
        """The next one that does not tell of the use of an API key: listening is a use, told within a second."""
        while (one := self.read_any(timeout)) == KEY_USED:
            pass
        return one

    def until(self, wanted, limit=200):
        """Reads on until an event is there; what came before it but uses of keys."""
        before = []
        for _ in range(limit):
            one = self.read_any()
            assert one is not None, f"ended before {wanted}: {before}"
            if one == wanted:
                return before
            if one != KEY_USED:
                before.append(one)
        raise AssertionError(f"no {wanted} in {before}")

    def close(self):
        self.response.close()
        self.connection.close()
