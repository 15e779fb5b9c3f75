"""Models without a network and a caller without a telephone, for livekit-agents."""

import asyncio
import time

from livekit import rtc
from livekit.agents import APIConnectOptions, llm, stt, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.voice import io

SAMPLE_RATE = 16000
FRAME_SAMPLES = SAMPLE_RATE // 50
SECONDS_PER_WORD = 0.04


def silence(samples=FRAME_SAMPLES) -> rtc.AudioFrame:
    return rtc.AudioFrame(b"\0\0" * samples, SAMPLE_RATE, 1, samples)


class ConnectedRoom(rtc.Room):
    """Knows its name and SID as if a server had told it."""

    def __init__(self, sid: str):
        super().__init__()
        self._sid = sid

    @property
    def name(self):
        return "lobby"

    @property
    async def sid(self):
        return self._sid


class FakeLLM(llm.LLM):
    """Answers from a table: words to say, or the name and arguments of a tool to call."""

    def __init__(self, answers: dict):
        super().__init__()
        self.answers = answers

    @property
    def model(self):
        return "fake-llm"

    @property
    def provider(self):
        return "fake"

    def chat(self, *, chat_ctx, tools=None, conn_options=DEFAULT_API_CONNECT_OPTIONS, **_):
        return FakeLLMStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class FakeLLMStream(llm.LLMStream):
    async def _run(self):
        last = self._chat_ctx.items[-1]
        if last.type == "function_call_output":
            answer = f"The tool said: {last.output}."
        else:
            said = next(item for item in reversed(self._chat_ctx.items) if item.type == "message")
            answer = self._llm.answers.get(said.text_content, "I see.")
        request = f"request-{len(self._chat_ctx.items)}"
        if isinstance(answer, str):
            words = answer.split()
            for word in words:
                await asyncio.sleep(0.001)
                self._send(request, content=f"{word} ")
        else:
            name, arguments = answer
            words = [name]
            call = llm.FunctionToolCall(name=name, arguments=arguments, call_id=f"call-{name}")
            self._send(request, tool_calls=[call])
        usage = llm.CompletionUsage(
            completion_tokens=len(words), prompt_tokens=100, total_tokens=100 + len(words)
        )
        self._event_ch.send_nowait(llm.ChatChunk(id=request, usage=usage))

    def _send(self, request, **delta):
        self._event_ch.send_nowait(
            llm.ChatChunk(id=request, delta=llm.ChoiceDelta(role="assistant", **delta))
        )


class FakeTTS(tts.TTS):
    def __init__(self):
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=SAMPLE_RATE, num_channels=1
        )

    @property
    def model(self):
        return "fake-tts"

    @property
    def provider(self):
        return "fake"

    def synthesize(self, text, *, conn_options=DEFAULT_API_CONNECT_OPTIONS):
        return FakeSpeech(tts=self, input_text=text, conn_options=conn_options)


class FakeSpeech(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter):
        output_emitter.initialize(
            request_id="speech", sample_rate=SAMPLE_RATE, num_channels=1, mime_type="audio/pcm"
        )
        words = len(self._input_text.split())
        output_emitter.push(b"\0\0" * int(SAMPLE_RATE * SECONDS_PER_WORD * words))
        output_emitter.flush()


class FakeSTT(stt.STT):
    """Hears exactly what `say` is told."""

    def __init__(self):
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True, interim_results=True, offline_recognize=False
            )
        )
        self.heard: asyncio.Queue[str] = asyncio.Queue()

    @property
    def model(self):
        return "fake-stt"

    @property
    def provider(self):
        return "fake"

    def say(self, words: str):
        self.heard.put_nowait(words)

    async def _recognize_impl(self, buffer, *, language=None, conn_options=None):
        raise NotImplementedError

    def stream(self, *, language=None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS):
        return FakeHearing(stt=self, conn_options=conn_options)


class FakeHearing(stt.SpeechStream):
    async def _run(self):
        listening = asyncio.create_task(self._listen())
        async for _ in self._input_ch:
            pass
        listening.cancel()

    async def _listen(self):
        kind = stt.SpeechEventType
        while True:
            words = await self._stt.heard.get()
            self._event_ch.send_nowait(
                stt.SpeechEvent(type=kind.START_OF_SPEECH, speech_start_time=time.time())
            )
            for heard in (kind.INTERIM_TRANSCRIPT, kind.FINAL_TRANSCRIPT):
                await asyncio.sleep(0.02)
                data = stt.SpeechData(language="en", text=words, confidence=0.9)
                self._event_ch.send_nowait(stt.SpeechEvent(type=heard, alternatives=[data]))
            self._event_ch.send_nowait(
                stt.SpeechEvent(type=kind.END_OF_SPEECH, speech_end_time=time.time())
            )


class Microphone(io.AudioInput):
    """A line that is always silent."""

    def __init__(self):
        super().__init__(label="fake microphone")

    async def __anext__(self) -> rtc.AudioFrame:
        await asyncio.sleep(0.02)
        return silence()


class Loudspeaker(io.AudioOutput):
    """Plays in real time, to nobody."""

    def __init__(self):
        super().__init__(
            label="fake loudspeaker",
            capabilities=io.AudioOutputCapabilities(pause=False),
            sample_rate=SAMPLE_RATE,
        )
        self._pushed = 0.0
        self._started_at = 0.0
        self._end: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame):
        await super().capture_frame(frame)
        if self._pushed == 0.0:
            self._started_at = time.time()
            self.on_playback_started(created_at=self._started_at)
        self._pushed += frame.duration

    def flush(self):
        super().flush()
        if self._pushed and self._end is None:
            left = self._started_at + self._pushed - time.time()
            self._end = asyncio.get_running_loop().call_later(max(left, 0), self._finish, False)

    def clear_buffer(self):
        if self._pushed:
            self._finish(True)

    def _finish(self, interrupted):
        if self._end is not None:
            self._end.cancel()
            self._end = None
        played = min(time.time() - self._started_at, self._pushed)
        self._pushed = 0.0
        self.on_playback_finished(playback_position=played, interrupted=interrupted)
