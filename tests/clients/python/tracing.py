"""How a Python program sends its traces to calltrace; call it once, before the first span.

    from tracing import trace_to_calltrace

    provider = trace_to_calltrace({"roark.external_id": call_id})
    ...
    provider.shutdown()  # sends what is still waiting

The exporter reads OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _CERTIFICATE and _COMPRESSION.
"""

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def trace_to_calltrace(link: dict[str, str]) -> TracerProvider:
    # `link` is on the resource, and so on every span. Where one process serves many calls, leave it empty here and
    # set roark.external_id on the root span of each call. POST /v1/call gets the same value as externalId.
    provider = TracerProvider(resource=Resource.create({"service.name": "voice-agent", **link}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider
