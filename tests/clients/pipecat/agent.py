"""A Pipecat agent in one process, without a transport: the real framework, fake models.

    python agent.py CONVERSATION_ID [EXTERNAL_ID [observed]]

conversation_id becomes `conversation.id` on the spans and is the link to a call with the same
pipecatCallId. With an external id the root span carries roark.external_id as well, the link to a
call made with POST /v1/call. With `observed` the observer of observing.py makes the call itself.

Standard output has one JSON line for the framework and one for every span that ended; with an
observer also one for everything said, every tool used, and the call.
The exporter reads OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _CERTIFICATE and _COMPRESSION.
"""

import asyncio
import json
import sys
import time
from importlib.metadata import version

from fakes import SAMPLE_RATE, FakeLLM, FakeSTT, FakeTTS, Loudspeaker
from loguru import logger
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanProcessor
from pipecat.frames.frames import BotStartedSpeakingFrame, BotStoppedSpeakingFrame, EndFrame
from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.utils.tracing.setup import setup_tracing
from pipecat.workers.runner import WorkerRunner

ANSWERS = {
    "What is the weather in Paris?": ("lookup_weather", {"location": "Paris"}),
    "Tell me a long story.": "Once upon a time there was a very long story. " * 12,
    "Stop, please.": "All right, I stop.",
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
            "interrupted": bool(span.attributes.get("turn.was_interrupted")),
        }
        print(json.dumps(line), flush=True)


class Ear(BaseObserver):
    """Counts how often the agent began and ended to speak."""

    def __init__(self):
        super().__init__()
        self.begun = self.ended = 0
        self.seen = set()

    async def on_push_frame(self, data):
        # A frame passes here once for every step that it takes.
        if data.frame.id not in self.seen and data.direction is FrameDirection.DOWNSTREAM:
            self.seen.add(data.frame.id)
            self.begun += isinstance(data.frame, BotStartedSpeakingFrame)
            self.ended += isinstance(data.frame, BotStoppedSpeakingFrame)

    async def hears(self, *, begun=0, ended=0):
        while self.begun < begun or self.ended < ended:
            await asyncio.sleep(0.01)


async def lookup_weather(params: FunctionCallParams, location: str):
    """Called when the user asks for the weather.

    Args:
        location: The place
    """
    await params.result_callback(f"sunny in {location}")


async def hold_call(caller: FakeSTT, ear: Ear, worker: PipelineWorker):
    """Four turns: a greeting, a tool, a story that the caller interrupts, and a last word."""
    await caller.say("Good morning.")
    await ear.hears(ended=1)
    await caller.say("What is the weather in Paris?")
    await ear.hears(ended=2)
    await caller.say("Tell me a long story.")
    await ear.hears(begun=3)
    await asyncio.sleep(0.2)
    await caller.say("Stop, please.")
    await ear.hears(ended=4)
    await worker.queue_frame(EndFrame())


def print_diary(context: LLMContext, call_id, began_at):
    """What the framework itself wrote into its model's context, beside what the observer sends."""
    results = {one["tool_call_id"]: one["content"] for one in context.get_messages() if one["role"] == "tool"}
    for message in context.get_messages():
        for call in message.get("tool_calls") or ():
            function = call["function"]
            line = {"tool": function["name"], "arguments": function["arguments"], "id": call["id"],
                    "output": json.loads(results[call["id"]])}
            print(json.dumps(line), flush=True)
        if message["role"] in ("user", "assistant") and message.get("content"):
            print(json.dumps({"role": message["role"], "said": message["content"]}), flush=True)
    print(json.dumps({"callId": call_id, "beganAt": began_at, "endedAt": time.time()}), flush=True)


async def main(conversation_id, external_id, is_observed):
    setup_tracing("voice-agent", exporter=OTLPSpanExporter())
    provider = trace.get_tracer_provider()
    provider.add_span_processor(SpanLog())

    caller, ear = FakeSTT(), Ear()
    context = LLMContext(tools=[lookup_weather])
    user, assistant = LLMContextAggregatorPair(
        context,
        user_params=LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies()),
    )
    observers, recorder, began_at = [ear], [], time.time()
    if is_observed:
        from observing import observe_with_calltrace

        # A runner of Pipecat Cloud gives the session's id.
        roark = observe_with_calltrace(
            runner_args={"session_id": conversation_id}, agent_id="reception-1", agent_name="Reception",
            agent_prompt="You are the reception of a hotel.",
        )
        observers, recorder, conversation_id = [ear, roark], [roark.audio_processor], roark.pipecat_call_id
    worker = PipelineWorker(
        Pipeline([caller, user, FakeLLM(ANSWERS), FakeTTS(), Loudspeaker(), *recorder, assistant]),
        params=PipelineParams(
            audio_in_sample_rate=SAMPLE_RATE,
            audio_out_sample_rate=SAMPLE_RATE,
            enable_metrics=True,
            enable_usage_metrics=True,
        ),
        enable_tracing=True,
        conversation_id=conversation_id,
        additional_span_attributes={"roark.external_id": external_id} if external_id else None,
        observers=observers,
        enable_rtvi=False,
    )
    started = asyncio.Event()
    worker.add_event_handler("on_pipeline_started", lambda *_: started.set())
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await started.wait()
    await asyncio.wait_for(hold_call(caller, ear, worker), 20)
    await running
    if is_observed:
        await roark.aflush()
        print_diary(context, roark.pipecat_call_id, began_at)
    provider.shutdown()


logger.remove()
logger.add(sys.stderr, level="WARNING")
print(json.dumps({"framework": "pipecat-ai", "version": version("pipecat-ai")}))
asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None, "observed" in sys.argv[3:]))
