"""How a LiveKit agent sends its traces to calltrace; call it first thing in the entrypoint.

    from tracing import trace_to_calltrace

    async def entrypoint(ctx: JobContext):
        provider = trace_to_calltrace(ctx)
        ctx.add_shutdown_callback(flush_of(provider))

The exporter reads OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _CERTIFICATE and _COMPRESSION.
"""

import asyncio

from livekit.agents import JobContext
from livekit.agents.telemetry import set_tracer_provider
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def trace_to_calltrace(ctx: JobContext, *, skip=False) -> TracerProvider:
    provider = TracerProvider(
        resource=Resource.create(
            {
                "service.name": "voice-agent",
                # This attribute is the link: POST /v1/call gets the same value as livekitRoomId.
                "livekit.room.id": ctx.job.room.sid,
                # True keeps the traces of test calls out of calltrace.
                "roark.skip": skip,
            }
        )
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    set_tracer_provider(provider)
    return provider


def flush_of(provider: TracerProvider):
    """A shutdown callback that sends what is still waiting, off the event loop."""

    async def flush(_reason=""):
        await asyncio.to_thread(provider.force_flush)

    return flush
