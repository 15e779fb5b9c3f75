"""Records what the real voice frameworks send: plays each program of tests/clients against a private
calltrace and writes what it then reads as OTLP/JSON beside this file. Run once for a new version:

    bash tests/clients/setup && PYTHONPATH=tests/clients:tests python tests/unit/voice/recorded/record.py

VAPI sends no spans: what calltrace makes of its report, with and without the call's log, is recorded as well. Long texts
are cut: what a turn is made of is short.
"""

import json
import uuid
from pathlib import Path

from conftest import Server
from support import clients, vapi
from support.servers import Servers
from test_frameworks import PROGRAMS

HERE = Path(__file__).resolve().parent
RUNS = [("livekit-python", "resource"), ("livekit-node", "resource"), ("livekit-node", "unregistered"),
        ("livekit-node-old", "resource"), ("pipecat", None)]
LONG = 200


def shorten(value):
    """The same with every text cut."""
    if isinstance(value, dict):
        return {key: shorten(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shorten(item) for item in value]
    return value[:LONG] if isinstance(value, str) else value


def keep(server, name, traces):
    merged = {"resourceSpans": []}
    for trace in sorted(traces):
        merged["resourceSpans"] += server.get(f"/v1/traces/{trace}")["resourceSpans"]
    text = json.dumps(shorten(merged), separators=(",", ":"), ensure_ascii=False)
    (HERE / f"{name}.json").write_text(text + "\n")
    print(name, len(text))


def vapi_calls(server):
    for name, more in (("vapi-report", {}), ("vapi-log", {"callLog": vapi.log_base64()})):
        call = uuid.uuid4()
        body = {"vapiEndOfCallReportPayload": vapi.report(str(call)), **more}
        assert server.client.post_json("/v1/vapi/call", body).status == 200
        keep(server, name, [call.hex])


def main():
    servers = Servers()
    try:
        cluster = servers.start().cluster()
        server = Server(cluster, servers.directory, cluster.project("recorded"))
        for client, variant in RUNS:
            room = f"RM_{uuid.uuid4().hex[:12]}"
            words = [*PROGRAMS[client], room] + ([variant] if variant else [])
            framework, *spans = clients.run(words, server.client_env())
            name = client if variant in ("resource", None) else f"{client}-{variant}"
            print(framework)
            keep(server, name, {span["traceId"] for span in spans})
        vapi_calls(server)
    finally:
        servers.close()


main()
