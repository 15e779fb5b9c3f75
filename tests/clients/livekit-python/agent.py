"""A LiveKit agent in one process, without a media server: the real framework, fake models.

    python agent.py ROOM_SID [resource|skip|metadata|job|observed|recorded]

`resource` and `skip` are the set-up of tracing.py. In the other two the resource names no room, as
when the provider is made in prewarm: with `metadata` the room stands on every span as room_id, with
`job` the framework itself writes the room of its job. `observed` is `resource` with the observer of
observing.py, `recorded` the same with the recording that calltrace discards.

Standard output has one JSON line for the framework and one for every span that ended; with an
observer also one for everything said, every tool used, and the call.
"""

import asyncio
import contextlib
import json
import sys
import time

import livekit.agents
from fakes import ConnectedRoom, FakeLLM, FakeSTT, FakeTTS, Loudspeaker, Microphone
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


class Diary:
    """Prints what the framework says of its call, beside what the observer sends."""

    def __init__(self, session: AgentSession):
        self.began_at = time.time()
        session.on("conversation_item_added", self._said)
        session.on("function_tools_executed", self._used)

    @staticmethod
    def _said(event):
        if event.item.type == "message":
            print(json.dumps({"role": event.item.role, "said": event.item.text_content}), flush=True)

    @staticmethod
    def _used(event):
        for call, output in event.zipped():
            line = {"tool": call.name, "id": call.call_id, "arguments": call.arguments, "output": output.output}
            print(json.dumps(line), flush=True)

    def close(self, observer):
        recording = observer._audio
        line = {
            "callId": observer.livekit_call_id,
            "beganAt": self.began_at,
            "endedAt": time.time(),
            "pieces": recording.uploaded_count if recording else 0,
        }
        print(json.dumps(line), flush=True)


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


async def hold_call(session: AgentSession, caller: FakeSTT, ear: Ear, is_short: bool):
    """Four turns: text, a tool, a story that the caller interrupts, and a last word."""
    await ear.hears(GREETING)
    await session.run(user_input="Good morning.")
    await session.run(user_input="What is the weather in Paris?")
    if is_short:
        # The older framework of `recorded` does not take the fakes' interruption for a turn.
        await session.run(user_input="Stop, please.")
        await ear.hears(LAST_WORDS)
        return
    story = session.generate_reply(user_input="Tell me a long story.")
    while session.agent_state != "speaking":
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    caller.say("Stop, please.")
    await story
    assert story.interrupted, "the caller was not heard"
    await ear.hears(LAST_WORDS)


async def main(room_sid, variant):
    room = ConnectedRoom(room_sid)
    with fake_job_context(room=room) if variant != "metadata" else contextlib.nullcontext() as ctx:
        if ctx:
            ctx.job.room.sid = room_sid
        if variant in ("resource", "skip", "observed", "recorded"):
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
        diary = observer = None
        if variant in ("observed", "recorded"):
            from observing import observe_with_calltrace

            diary = Diary(session)
            observer = await observe_with_calltrace(
                ctx, session, agent_id="reception-1", agent_name="Reception",
                agent_prompt="You are the reception of a hotel.", is_test=True,
                capture_audio=variant == "recorded",
            )
        await session.start(agent=Reception())
        await asyncio.wait_for(hold_call(session, caller, ear, variant == "recorded"), 20)
        await session.aclose()
        await closed.wait()
        if observer:
            # A job's end, which a fake job does not have.
            for callback in ctx._shutdown_callbacks:
                await callback("")
            diary.close(observer)
        await flush_of(provider)()
        provider.shutdown()


print(json.dumps({"framework": "livekit-agents", "version": livekit.agents.__version__}))
asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "resource"))
