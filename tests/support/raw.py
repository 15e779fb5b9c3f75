"""A TLS socket for requests that no HTTP library would send."""

import http.client
import socket
import ssl


class RawConnection:
    def __init__(self, port: int, context: ssl.SSLContext | None, timeout=15.0):
        plain = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        plain.settimeout(timeout)
        self.socket = plain if context is None else context.wrap_socket(
            plain, server_hostname="127.0.0.1")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data: bytes):
        self.socket.sendall(data)

    def head(self, method: str, path: str, key: str | None = None, **headers):
        """Sends a request line and headers; _ in a header's name becomes -."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        if key is not None:
            lines.append(f"Authorization: Bearer {key}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def chunk(self, data: bytes):
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def answer(self, method="POST") -> tuple[int, http.client.HTTPMessage, bytes]:
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return response.status, response.headers, response.read()

    def is_closed_by_peer(self) -> bool:
        """Reads to the end; True when the peer ended the connection, in whatever way."""
        try:
            while self.socket.recv(65536):
                pass
            return True
        except TimeoutError:
            return False
        except OSError:
            return True
