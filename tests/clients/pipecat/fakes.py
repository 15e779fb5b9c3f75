"""Models without a network and a caller without a telephone, for Pipecat."""

import asyncio
import json
import time

from openai.types.chat import ChatCompletionChunk
from pipecat.frames.frames import (
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.utils.time import time_now_iso8601
from pipecat.utils.tracing.service_decorators import traced_stt, traced_tts

SAMPLE_RATE = 16000
SECONDS_PER_WORD = 0.04
MODEL = "fake-llm"


class FakeLLM(OpenAILLMService):
    """The framework's own OpenAI service; only the answers of the model are made up."""

    def __init__(self, answers: dict):
        super().__init__(api_key="none", settings=OpenAILLMService.Settings(model=MODEL))
        self.answers = answers

    async def get_chat_completions(self, context):
        last = context.get_messages()[-1]
        if last["role"] == "tool":
            answer = f"The tool said: {last['content']}."
        else:
            answer = self.answers.get(last["content"], "I see.")
        return self._chunks(answer)

    async def _chunks(self, answer):
        if isinstance(answer, str):
            words = answer.split()
            for word in words:
                await asyncio.sleep(0.001)
                yield chunk({"content": f"{word} "})
        else:
            name, arguments = answer
            words = [name]
            function = {"name": name, "arguments": json.dumps(arguments)}
            yield chunk({"tool_calls": [{"index": 0, "id": f"call-{name}", "function": function}]})
        yield chunk(None, completion_tokens=len(words), prompt_tokens=100, total_tokens=100 + len(words))


def chunk(delta, **usage) -> ChatCompletionChunk:
    choices = [{"index": 0, "delta": {"role": "assistant", **delta}}] if delta else []
    return ChatCompletionChunk.model_validate(
        {
            "id": "request",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": MODEL,
            "choices": choices,
            "usage": usage or None,
        }
    )


class FakeTTS(TTSService):
    def __init__(self):
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=0.1,
            sample_rate=SAMPLE_RATE,
            settings=TTSSettings(model="fake-tts", voice="nobody", language=None),
        )

    def can_generate_metrics(self):
        return True

    @traced_tts
    async def run_tts(self, text, context_id):
        samples = int(SAMPLE_RATE * SECONDS_PER_WORD * len(text.split()))
        yield TTSAudioRawFrame(b"\0\0" * samples, SAMPLE_RATE, 1, context_id=context_id)


class FakeSTT(STTService):
    """Hears exactly what `say` is told."""

    def __init__(self):
        super().__init__(
            sample_rate=SAMPLE_RATE, ttfs_p99_latency=0.0, settings=STTSettings(model="fake-stt", language=None)
        )

    def can_generate_metrics(self):
        return True

    @traced_stt
    async def run_stt(self, audio):
        yield None

    async def say(self, words: str):
        await self.broadcast_frame(VADUserStartedSpeakingFrame)
        await self.broadcast_frame(ProposedUserStartedSpeakingFrame)
        heard = {"text": words, "user_id": "caller", "timestamp": time_now_iso8601()}
        await self.push_frame(InterimTranscriptionFrame(**heard))
        await asyncio.sleep(0.05)
        await self.push_frame(TranscriptionFrame(**heard, finalized=True))
        await self.broadcast_frame(VADUserStoppedSpeakingFrame)
        await self.broadcast_frame(ProposedUserStoppedSpeakingFrame)


class Loudspeaker(BaseOutputTransport):
    """Plays in real time, to nobody."""

    def __init__(self):
        super().__init__(TransportParams(audio_out_enabled=True, audio_out_sample_rate=SAMPLE_RATE))

    async def start(self, frame):
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame):
        await asyncio.sleep(frame.num_frames / frame.sample_rate)
        return True
