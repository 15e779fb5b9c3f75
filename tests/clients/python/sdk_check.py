"""Plays the official Customer API client against calltrace and prints one JSON line per step.

The client validates every answer against its own types, so a missing or ill-typed field fails here.
Used by test_clients.py; for an example to start from see call.py.
"""

import json
import sys

import httpx
from roark_analytics import ConflictError, NotFoundError, Roark

requests = []


def say(step, **facts):
    print(json.dumps({"step": step, **facts}))


def create_everything(roark, external_id):
    """One call with every field that the client can send; nothing listens at the recording's address."""
    return roark.call.create(
        external_id=external_id,
        started_at="2026-01-02T03:04:05.678Z",
        interface_type="PHONE",
        call_direction="OUTBOUND",
        recording_url="https://recordings.invalid/one.wav",
        stereo_recording_url="https://recordings.invalid/one-stereo.wav",
        ended_status="CUSTOMER_ENDED_CALL",
        agent={"name": "Reception", "custom_id": "agent-7", "description": "answers the telephone"},
        customer={"phone_number_e164": "+4915112345678", "label": "caller"},
        properties={"tier": "gold", "visits": 3, "nested": {"deep": [1, None, "ü"]}},
        transcript=[
            {"role": "AGENT", "text": "Hello", "start_offset_ms": 0, "end_offset_ms": 900},
            {"role": "CUSTOMER", "text": "Grüß Gott", "start_offset_ms": 1000, "end_offset_ms": 1900},
        ],
        tool_invocations=[
            {"name": "lookup", "parameters": {"room": "12"}, "result": {"free": True}, "start_offset_ms": 1200}
        ],
    )


def create_again(roark, external_id):
    """A taken externalId: the client must see a conflict at once, without trying again."""
    before = len(requests)
    try:
        create_everything(roark, external_id)
    except ConflictError as error:
        say("conflict", status=error.status_code, tries=len(requests) - before, body=error.body)


def walk_list(roark, direction):
    """Follows the cursor to the end, two calls a page."""
    seen, after = [], {}
    while True:
        page = roark.call.list(limit=2, sort_direction=direction, **after)
        seen += [{"id": call.id, "externalId": call.external_id} for call in page.data]
        if not page.pagination.has_more:
            say("list", direction=direction, calls=seen, total=page.pagination.total)
            return
        after = {"after": page.pagination.next_cursor}


def main(prefix):
    http_client = httpx.Client(event_hooks={"request": [lambda request: requests.append(request.url.path)]})
    roark = Roark(_strict_response_validation=True, http_client=http_client)

    say("health", status=roark.health.get().data.status)
    me = roark.me.get().data
    say("me", scope=me.token_scope, project=me.default_project.id if me.default_project else None)
    say("projects", ids=[project.id for project in roark.project.list().data.projects])

    ids = []
    for n in range(5):
        created = create_everything(roark, f"{prefix}-{n}").data
        ids.append(created.id)
        say("create", id=created.id, externalId=created.external_id, direction=created.call_direction,
            startedAt=created.started_at, project=created.project_id)
    create_again(roark, f"{prefix}-0")

    one = roark.call.get_by_id(ids[0]).data
    say("get", id=one.id, externalId=one.external_id, endedStatus=one.ended_status, properties=one.properties,
        customers=[customer.phone_number_e164 for customer in one.customers or []], agents=len(one.agents or []))
    words = roark.call.get_transcript(ids[0]).data
    say("transcript", entries=[[entry.role, entry.text, entry.start_offset_ms] for entry in words.entries])
    say("agents", count=len(roark.agent.list(limit=1).data))
    walk_list(roark, "desc")
    walk_list(roark, "asc")

    try:
        roark.call.get_by_id("00000000-0000-4000-8000-000000000000")
    except NotFoundError as error:
        say("missing", status=error.status_code, code=error.body["code"])


main(sys.argv[1])
