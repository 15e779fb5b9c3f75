"""A LiveKit agent in one process, without a media server: the real framework, fake models.

    python agent.py ROOM_SID [resource|skip|metadata|job]

`resource` and `skip` are the set-up of tracing.py. In the other two the resource names no room, as
when the provider is made in prewarm: with `metadata` the room stands on every span as room_id, with
`job` the framework itself writes the room of its job.

Standard output has one JSON line for the framework and one for every span that ended.
"""

import asyncio
import contextlib
import json
import sys

import livekit.agents
from fakes import FakeLLM, FakeSTT, FakeTTS, Loudspeaker, Microphone
from livekit.agents import Agent, AgentSession, RunContext, function_tool
from livekit.agents.telemetry import set_tracer_provider
from livekit.agents.testing import fake_job_context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from tracing import flush_of, trace_to_calltrace

GREETING = "Hello, how can I help?"
LAST_WORDS = "All right, I stop."
ANSWERS = {
    "What is the weather in Paris?": ("lookup_weather", json.dumps({"location": "Paris"})),
    "Tell me a long story.": "Once upon a time there was a very long story. " * 12,
    "Stop, please.": LAST_WORDS,
}


class SpanLog(SpanProcessor):
    """Prints what the framework made, beside what the exporter sends."""

    def on_end(self, span):
        ids = span.get_span_context()
        line = {
            "traceId": f"{ids.trace_id:032x}",
            "spanId": f"{ids.span_id:016x}",
            "parentSpanId": f"{span.parent.span_id:016x}" if span.parent else "",
            "name": span.name,
            "interrupted": bool(span.attributes.get("lk.interrupted")),
        }
        print(json.dumps(line), flush=True)


class Reception(Agent):
    def __init__(self):
        super().__init__(instructions="You are the reception of a hotel.")

    async def on_enter(self):
        await self.session.say(GREETING)

    @function_tool
    async def lookup_weather(self, context: RunContext, location: str) -> str:
        """Called when the user asks for the weather.

        Args:
            location: The place
        """
        return f"sunny in {location}"


def provider_without_room(**metadata) -> TracerProvider:
    provider = TracerProvider(resource=Resource.create({"service.name": "voice-agent"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    set_tracer_provider(provider, metadata=metadata or None)
    return provider


class Ear:
    """Remembers what the agent has said to the end."""

    def __init__(self, session: AgentSession):
        self.said = []
        session.on("conversation_item_added", self._remember)

    def _remember(self, event):
        if event.item.type == "message":
            self.said.append(event.item.text_content or "")

    async def hears(self, words):
        while not any(words in said for said in self.said):
            await asyncio.sleep(0.01)


async def hold_call(session: AgentSession, caller: FakeSTT, ear: Ear):
    """Four turns: text, a tool, a story that the caller interrupts, and a last word."""
    await ear.hears(GREETING)
    await session.run(user_input="Good morning.")
    await session.run(user_input="What is the weather in Paris?")
    story = session.generate_reply(user_input="Tell me a long story.")
    while session.agent_state != "speaking":
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    caller.say("Stop, please.")
    await story
    assert story.interrupted, "the caller was not heard"
    await ear.hears(LAST_WORDS)


async def main(room_sid, variant):
    with fake_job_context() if variant != "metadata" else contextlib.nullcontext() as ctx:
        if ctx:
            ctx.job.room.sid = room_sid
        if variant in ("resource", "skip"):
            provider = trace_to_calltrace(ctx, skip=variant == "skip")
        else:
            provider = provider_without_room(**({} if ctx else {"room_id": room_sid}))
        provider.add_span_processor(SpanLog())

        caller = FakeSTT()
        session = AgentSession(
            llm=FakeLLM(ANSWERS),
            stt=caller,
            tts=FakeTTS(),
            vad=None,
            turn_handling={
                "turn_detection": "stt",
                "endpointing": {"min_delay": 0.05, "max_delay": 0.2},
                "interruption": {"resume_false_interruption": False},
            },
            aec_warmup_duration=None,
            session_close_transcript_timeout=0.1,
        )
        session.input.audio = Microphone()
        session.output.audio = Loudspeaker()
        closed = asyncio.Event()
        session.on("close", lambda _event: closed.set())
        ear = Ear(session)
        await session.start(agent=Reception())
        await asyncio.wait_for(hold_call(session, caller, ear), 20)
        await session.aclose()
        await closed.wait()
        await flush_of(provider)()
        provider.shutdown()


print(json.dumps({"framework": "livekit-agents", "version": livekit.agents.__version__}))
asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "resource"))
