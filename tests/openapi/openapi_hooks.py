"""Formats of api/openapi.yaml that schemathesis does not know: what is valid of them."""

import datetime
import os
import re
import urllib.parse
import uuid

import schemathesis
from hypothesis import strategies as st

TIMES = st.datetimes(
    min_value=datetime.datetime(1700, 1, 1), max_value=datetime.datetime(2250, 1, 1),
    timezones=st.just(datetime.timezone.utc)).map(datetime.datetime.isoformat)
URLS = st.from_regex(r"\Ahttps?://[a-z0-9.-]{1,20}(:[0-9]{1,5})?(/[!-~]{0,20})?\Z")

schemathesis.openapi.format("date-time", TIMES)
schemathesis.openapi.format("http-url", URLS)
# No cursor is valid of itself; one that a list gave comes by stateful tests only.
schemathesis.openapi.format("cursor", st.text(alphabet="ABCDEFGH0123456789=", max_size=40))


@schemathesis.hook
def map_path_parameters(_context, parameters):
    """A well-formed trace id becomes that of a trace which is there, and a span id that of a span in it."""
    trace = os.environ.get("CALLTRACE_TEST_TRACE")
    if trace and parameters and re.fullmatch("[0-9a-fA-F]{32}", str(parameters.get("traceId"))):
        parameters["traceId"] = trace
    span = os.environ.get("CALLTRACE_TEST_SPAN")
    if span and parameters and re.fullmatch("[0-9a-fA-F]{16}", str(parameters.get("spanId"))):
        parameters["spanId"] = span
    return parameters


@schemathesis.hook
def filter_query(_context, query):
    """The head of a request has 16 KiB: many long filters do not fit, which no schema can say."""
    return len(urllib.parse.urlencode(query or {}, doseq=True)) < 8000


@schemathesis.hook
def map_headers(_context, headers):
    """Each request has an Idempotency-Key of its own: small generated ones meet by chance, and one key
    with two bodies is rightly refused (tests/e2e/test_calls.py holds that)."""
    if headers and isinstance(headers.get("Idempotency-Key"), str):
        headers["Idempotency-Key"] = str(uuid.uuid4())
    return headers
