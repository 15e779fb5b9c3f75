"""OpenTelemetry set-up of a voice agent whose traces go to calltrace. Copy this file into your agent.

    pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http

The exporter itself reads the address, the key and the certificate from the environment:
OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _CERTIFICATE, and _COMPRESSION=gzip if you like.
"""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

# The attribute that links a trace to its call: the call is created with the same value as externalId.
EXTERNAL_ID = "roark.external_id"


def trace_to_calltrace(service: str, external_id: str | None = None, tags: dict[str, str] | None = None) -> TracerProvider:
    """One process, one conversation: give its id here, and it stands on every span from the first batch on.
    One process, many conversations: leave it out and set EXTERNAL_ID on each conversation's root span.

    Call shutdown() of the provider before the process ends; it sends what is still waiting.
    """
    resource = {"service.name": service}
    if external_id is not None:
        resource[EXTERNAL_ID] = external_id
    for key, value in (tags or {}).items():
        resource[f"roark.project.tag.{key}"] = value
    provider = TracerProvider(resource=Resource.create(resource))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
