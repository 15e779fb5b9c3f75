"""VAPI as it signs and is selected: HMAC in all its variants, the commands behind them, and logs that are fetched."""

import base64
import gzip
import http.server
import json
import ssl
import threading
import time
import uuid

import pytest

from support import vapi
from support.process import free_port

SECRET = b"a secret of VAPI's making"
OTHER = "11111111-2222-4333-8444-555555555555"


def new_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("vapi") / "other-secrets-key"
    file.write_text("5a" * 32 + "\n")
    file.chmod(0o600)
    return file


# The same for whatever is wrong, an unknown credential too; what it was stands in the log.
UNSIGNED = "the message is not signed by the VAPI credential of this address"


class Credential:
    """A credential of `vapi secret add`, and VAPI as it would sign with it."""

    def __init__(self, cluster, project, secret=SECRET, options=(), **signing):
        self.secret = signing.pop("key", secret)
        self.signing = signing
        self.path = cluster.command("vapi", "secret", "add", "--project", project.name, "--name",
                                    "tests", *options, stdin=secret.decode())
        self.id = self.path.rsplit("/", 1)[1]

    def send(self, client, message, changes=None, **signing):
        body = json.dumps({"message": message}).encode()
        headers = vapi.sign(self.secret, body, **{**self.signing, **signing})
        headers.update(changes or {})
        headers = {name: value for name, value in headers.items() if value is not None}
        return client.with_key(None).request("POST", self.path, body, {
            "Content-Type": "application/json", **headers})


VARIANTS = {
    "as VAPI does": ((), {}),
    "sha512": (("--algorithm", "sha512"), {"algorithm": "sha512"}),
    "sha1": (("--algorithm", "sha1"), {"algorithm": "sha1"}),
    "base64": (("--encoding", "base64"), {"encoding": "base64"}),
    "prefix": (("--signature-prefix", "sha256="), {"prefix": "sha256="}),
    "no time": (("--include-timestamp=off",), {"payload": "{body}"}),
    "body alone": (("--payload-format", "{body}"), {"payload": "{body}"}),
    "braces": (("--payload-format", "{{x}{timestamp}{body}}{"),
               {"payload": "{{x}{timestamp}{body}}{"}),
    "method": (("--payload-format", "{method} {timestamp}:{body}"),
               {"payload": "{method} {timestamp}:{body}"}),
    "url": (("--payload-format", "{url}|{timestamp}|{body}", "--url", "https://x.example/hook?a=1"),
            {"payload": "{url}|{timestamp}|{body}", "url": "https://x.example/hook?a=1"}),
    "svix": (("--payload-format", "{svix-id}.{timestamp}.{body}", "--signature-header",
              "svix-signature", "--timestamp-header", "svix-timestamp", "--signature-prefix", "v1,",
              "--encoding", "base64", "--secret-base64=on"),
             {"payload": "{svix-id}.{timestamp}.{body}", "prefix": "v1,", "encoding": "base64",
              "message_id": "msg_1", "headers": ("svix-signature", "svix-timestamp", "svix-id"),
              "key": base64.b64decode("c2VjcmV0IG9mIHN2aXg=")}),
    "headers": (("--signature-header", "x-vapi-signature", "--timestamp-header", "x-time"),
                {"headers": ("X-Vapi-Signature", "X-Time", "svix-id")}),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_documented_variant(cluster, project, client, name):
    options, signing = VARIANTS[name]
    secret = b"c2VjcmV0IG9mIHN2aXg=" if "key" in signing else SECRET
    credential = Credential(cluster, project, secret, options, **signing)
    call_id = new_id()
    response = credential.send(client, vapi.report(call_id))
    assert response.status == 200, response.body
    shown = client.get(f"/v1/call/{response.data['callId']}").data
    assert shown["vapiCallId"] == call_id and shown["projectId"] == project.id
    header = signing.get("headers", ("x-signature",))[0]
    refused = credential.send(client, vapi.report(new_id()), {header: "0" * 64})
    assert refused.status == 401 and refused.json()["code"] == "unauthorized"
    assert refused.json()["message"] == UNSIGNED


def test_the_url_of_the_request_is_signed(cluster, project, client):
    credential = Credential(cluster, project, options=("--payload-format", "{url} {body}"))
    url = f"https://{client.host}:{client.port}{credential.path}"
    signing = {"payload": "{url} {body}"}
    assert credential.send(client, vapi.report(new_id()), url=url, **signing).status == 200
    assert credential.send(client, vapi.report(new_id()), url=url + "x", **signing).status == 401


def test_one_of_several_signatures_is_enough(cluster, project, client):
    credential = Credential(cluster, project)
    body = json.dumps({"message": vapi.report(new_id())}).encode()
    good = vapi.sign(SECRET, body)
    both = {**good, "x-signature": "ab" * 32 + " " + good["x-signature"]}
    response = client.with_key(None).request("POST", credential.path, body, both)
    assert response.status == 200
    upper = {**good, "x-signature": good["x-signature"].upper()}
    assert client.with_key(None).request("POST", credential.path, body, upper).status == 200


@pytest.mark.parametrize("changes", [
    {"x-signature": None}, {"x-signature": ""}, {"x-signature": "ab"}, {"x-timestamp": None},
    {"x-timestamp": "yesterday"}, {"x-timestamp": "1"}, {"x-timestamp": 1}])
def test_what_is_not_signed_is_401(cluster, project, client, changes):
    credential = Credential(cluster, project)
    if changes.get("x-timestamp") == 1: # another time than the signed one, near enough
        changes = {"x-timestamp": str(int(time.time()) + 1)}
    before = cluster.apis[0].metrics()["calltrace_api_vapi_unsigned_total"]
    response = credential.send(client, vapi.report(new_id()), changes)
    assert response.status == 401 and response.json()["message"] == UNSIGNED, response.body
    assert cluster.apis[0].metrics()["calltrace_api_vapi_unsigned_total"] == before + 1


@pytest.mark.parametrize("off, status", [(-310, 401), (310, 401), (-240, 200), (240, 200)])
@pytest.mark.parametrize("unit", [1, 1000])
def test_a_stale_time_is_refused(cluster, project, client, off, status, unit):
    credential = Credential(cluster, project)
    stamp = str((int(time.time()) + off) * unit)
    response = credential.send(client, vapi.report(new_id()), timestamp=stamp)
    assert response.status == status, response.body
    if status == 401:
        assert response.json()["message"] == UNSIGNED


def test_another_secret_or_body_or_credential_is_401(cluster, project, client):
    credential, other = Credential(cluster, project), Credential(cluster, project, b"another")
    body = json.dumps({"message": vapi.report(new_id())}).encode()
    bare = client.with_key(None)
    assert bare.request("POST", credential.path, body, vapi.sign(b"wrong", body)).status == 401
    assert bare.request("POST", credential.path, body + b" ", vapi.sign(SECRET, body)).status == 401
    assert bare.request("POST", other.path, body, vapi.sign(SECRET, body)).status == 401
    for unknown in (new_id(), "x", "%00", client.key):
        path = f"/v1/integrations/vapi/{unknown}"
        response = bare.request("POST", path, body, vapi.sign(SECRET, body))
        assert response.status in (400, 401), unknown


def test_an_api_key_is_no_signature(client, cluster, project):
    credential = Credential(cluster, project)
    assert client.post_json(credential.path, vapi.report(new_id())).status == 401


def test_a_signed_message_that_is_no_json_is_400(cluster, project, client):
    credential = Credential(cluster, project)
    for body in (b"", b"{", b"[1]"):
        response = client.with_key(None).request("POST", credential.path, body,
                                                 vapi.sign(SECRET, body))
        assert response.status == 400, body


def test_a_removed_credential_is_refused(cluster, project, client):
    credential = Credential(cluster, project)
    listed = cluster.command("vapi", "secret", "list", "--project", project.name)
    assert credential.id in listed and SECRET.decode() not in listed and "sealed" in listed
    cluster.command("vapi", "secret", "remove", "--project", project.name, credential.id)
    assert credential.send(client, vapi.report(new_id())).status == 401
    done = cluster.run("vapi", "secret", "remove", "--project", project.name, credential.id)
    assert done.returncode == 1 and credential.id in done.stderr


def test_a_secret_may_stay_in_a_file(cluster, project, client, tmp_path):
    file = tmp_path / "secret"
    file.write_bytes(SECRET + b"\n")
    path = cluster.command("vapi", "secret", "add", "--project", project.name, "--name", "file",
                           "--secret-file", str(file))
    body = json.dumps({"message": vapi.report(new_id())}).encode()
    bare = client.with_key(None)
    assert bare.request("POST", path, body, vapi.sign(SECRET, body)).status == 200
    assert str(file) in cluster.command("vapi", "secret", "list", "--project", project.name)
    file.unlink()
    response = bare.request("POST", path, body, vapi.sign(SECRET, body))
    assert response.status == 503 and response.header("Retry-After") == "1"


def test_a_secret_sealed_under_another_key_is_503(cluster, project, client, key_file):
    path = cluster.command("vapi", "secret", "add", "--project", project.name, "--name", "other",
                           f"--secrets_key_file={key_file}", stdin=SECRET.decode())
    body = json.dumps({"message": vapi.report(new_id())}).encode()
    response = client.with_key(None).request("POST", path, body, vapi.sign(SECRET, body))
    assert response.status == 503
    assert "vapi_secret_unusable" in cluster.apis[0].log_tail()


@pytest.mark.parametrize("options, word", [
    (["--algorithm", "md5"], "algorithm"), (["--encoding", "hexx"], "signatureEncoding"),
    (["--include-timestamp=maybe"], "include-timestamp"), (["--secret-base64=on"], "base64"),
    (["--payload-format", "{timestamp}"], "payloadFormat"), (["--signature-header", ""], "signatureHeader"),
    (["--url", "x" * 600], "url"), (["--nonsense", "1"], "nonsense")])
def test_bad_settings_are_refused_by_name(cluster, project, options, word):
    done = cluster.run("vapi", "secret", "add", "--project", project.name, "--name", "bad",
                       *options, stdin="!? no base64")
    assert done.returncode == 2 and word in done.stderr, done.stderr
    assert "no base64" not in done.stderr.replace("is no base64", "")


# --- selection ---------------------------------------------------------------------------------------


def message_of(assistant=None, **changes):
    message = vapi.report(new_id(), **changes)
    message["call"].pop("assistantId")
    if assistant is not None:
        message["call"]["assistantId"] = assistant
    return message


def take(client, message, path="/v1/integrations/vapi"):
    response = client.post_json(path, {"message": message})
    assert response.status == 200, response.body
    return "data" in response.json()


def test_once_assistants_are_selected_only_theirs_are_taken(cluster):
    project = cluster.project(f"selecting-{new_id()}")
    client = cluster.client(project)
    select = ("--project", project.name)
    assert take(client, message_of(vapi.ASSISTANT)) and take(client, message_of())
    assert "every assistant" in cluster.command("vapi", "selected", *select)
    cluster.command("vapi", "select", *select, OTHER, vapi.ASSISTANT)
    cluster.command("vapi", "select", *select, OTHER)
    assert {line.split()[0] for line in cluster.command("vapi", "selected", *select).splitlines()} \
        == {OTHER, vapi.ASSISTANT}
    cluster.command("vapi", "unselect", *select, vapi.ASSISTANT)
    before = cluster.apis[0].metrics()['calltrace_api_vapi_messages_total{what="not_selected"}']
    refused = message_of(vapi.ASSISTANT)
    assert not take(client, refused) and not take(client, message_of())
    assert not take(client, vapi.status(new_id(), "ringing"))
    assert client.get(f"/v1/traces/{uuid.UUID(refused['call']['id']).hex}").status == 404
    assert cluster.apis[0].metrics()[
        'calltrace_api_vapi_messages_total{what="not_selected"}'] == before + 3
    assert take(client, message_of(OTHER))
    assert take(client, message_of(assistant=None, artifact={
        "assistantActivations": [{"assistantName": "a", "assistantId": "x"},
                                 {"assistantName": "b", "assistantId": OTHER}]}))
    # What somebody posts on purpose is never filtered.
    response = client.post_json("/v1/vapi/call", {"vapiEndOfCallReportPayload": refused})
    assert response.status == 200 and response.data["callId"]
    other = cluster.client(cluster.project(f"all-{new_id()}"))
    assert take(other, message_of(vapi.ASSISTANT))
    done = cluster.run("vapi", "unselect", *select, vapi.ASSISTANT)
    assert done.returncode == 1 and vapi.ASSISTANT in done.stderr
    assert cluster.run("vapi", "select", *select).returncode == 2
    cluster.command("vapi", "unselect", *select, OTHER)
    assert take(client, message_of(vapi.ASSISTANT))


# --- the log's address -------------------------------------------------------------------------------


class LogServer:
    """Serves what `answers` has by path, over TLS, and notes who asked."""

    def __init__(self, authority):
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, self.headers.get("Authorization")))
                status, body = outer.answers.get(self.path, (404, b"nothing"))
                if self.path == "/slow":
                    time.sleep(3)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.cert, authority.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        return f"https://localhost:{self.server.server_address[1]}{path}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def log_server(servers):
    running = LogServer(servers.authority)
    yield running
    running.close()


@pytest.fixture(scope="module")
def fetching(servers):
    running = servers.cluster(api_rows={
        "vapi_fetch_logs": "on", "vapi_fetch_ca": servers.authority.ca,
        "vapi_fetch_hosts": "logs.example, localhost", "vapi_fetch_ms_max": 1000,
        "vapi_log_bytes_max": 200_000})
    running.demo = running.project("demo")
    yield running
    running.close()


def source_of(client, call_id: str) -> str:
    data = client.get(f"/v1/traces/{uuid.UUID(call_id).hex}").json()
    for resource in data["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for attribute in span["attributes"]:
                    if attribute["key"] == "vapi.source":
                        return attribute["value"]["stringValue"]
    raise AssertionError(data)


def report_with_log(url: str, name="presignedLogUrl") -> dict:
    message = vapi.report(new_id())
    message["artifact"][name] = url
    return message


@pytest.mark.parametrize("name", ["presignedLogUrl", "logUrl"])
def test_the_log_is_fetched_where_that_is_switched_on(fetching, log_server, name):
    client = fetching.client(fetching.demo)
    log_server.answers["/log?signed=1"] = (200, gzip.compress(vapi.log_lines()))
    message = report_with_log(log_server.url("/log?signed=1"), name)
    assert take(client, message)
    assert source_of(client, message["call"]["id"]) == "log"
    assert log_server.asked[-1] == ("/log?signed=1", None)


def test_nothing_is_fetched_by_itself(client, log_server):
    asked = len(log_server.asked)
    message = report_with_log(log_server.url("/log?signed=1"))
    assert take(client, message)
    assert source_of(client, message["call"]["id"]) == "messages"
    assert len(log_server.asked) == asked


def test_what_is_given_is_not_fetched(fetching, log_server):
    client = fetching.client(fetching.demo)
    asked = len(log_server.asked)
    message = report_with_log(log_server.url("/log?signed=1"))
    body = {"vapiEndOfCallReportPayload": message, "callLog": vapi.log_base64()}
    assert client.post_json("/v1/vapi/call", body).status == 200
    assert source_of(client, message["call"]["id"]) == "log"
    assert len(log_server.asked) == asked


BOMB = gzip.compress(b"\n" * 10_000_000)


@pytest.mark.parametrize("path, answer", [
    ("/missing", None), ("/refused", (403, b"")), ("/away", (503, b"")), ("/slow", (200, b"{}")),
    ("/large", (200, b"x" * 300_000)), ("/bomb", (200, BOMB)), ("/torn", (200, b"\x1f\x8b\x08\x00"))])
def test_a_log_that_cannot_be_had_leaves_the_messages(fetching, log_server, path, answer):
    client = fetching.client(fetching.demo)
    failed = 'calltrace_api_vapi_logs_total{outcome="failed"}'
    before = fetching.apis[0].metrics()[failed]
    if answer is not None:
        log_server.answers[path] = answer
    message = report_with_log(log_server.url(path))
    assert take(client, message)
    assert source_of(client, message["call"]["id"]) == "messages"
    assert fetching.apis[0].metrics()[failed] == before + 1


@pytest.mark.parametrize("url", [
    "http://localhost/log", "file:///etc/passwd", "https://127.0.0.1:1/x", "https://10.0.0.1/x",
    "https://169.254.169.254/latest", "https://[::1]/x", "not a url", "https://user:pw@localhost/x"])
def test_addresses_that_are_never_fetched(fetching, url):
    client = fetching.client(fetching.demo)
    began = time.monotonic()
    message = report_with_log(url)
    assert take(client, message)
    assert source_of(client, message["call"]["id"]) == "messages"
    assert time.monotonic() - began < 3
    log = fetching.apis[0].log_tail()
    assert "vapi_log_unread" in log and "pw@" not in log and "signed=1" not in log


def test_hanging_fetches_do_not_hold_up_reads(fetching, log_server):
    """More fetches than threads of the pool: reads go on, and every report is kept."""
    client = fetching.client(fetching.demo)
    log_server.answers["/slow"] = (200, b"{}")
    results = []

    def send():
        results.append(take(fetching.client(fetching.demo), report_with_log(log_server.url("/slow"))))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    began = time.monotonic()
    assert client.get("/v1/call").status == 200
    assert time.monotonic() - began < 0.8
    for thread in threads:
        thread.join()
    assert results == [True] * 8


def test_a_trace_is_bounded(servers):
    cluster = servers.cluster(api_rows={"vapi_spans_max": 16})
    try:
        client = cluster.client(cluster.project("small"))
        call_id = new_id()
        records = [vapi.record(1000 * i + 10 * k, f"assistant.model.{step}", str(i), f"m{i}")
                   for i in range(40) for k, step in enumerate(["requestStarted", "responseSucceeded"])]
        body = {"vapiEndOfCallReportPayload": vapi.report(call_id), "callLog": records}
        assert client.post_json("/v1/vapi/call", body).status == 200
        tree = client.get(f"/v1/traces/{uuid.UUID(call_id).hex}/tree").data
        assert tree["spanCount"] == 16
        assert [span["name"] for span in tree["spans"]].count("call") == 1
        metrics = cluster.apis[0].metrics()
        assert metrics['calltrace_api_vapi_spans_total{outcome="sent"}'] == 16
        assert metrics['calltrace_api_vapi_spans_total{outcome="left_out"}'] > 40
    finally:
        cluster.close()
