// Models without a network and a caller without a telephone, for @livekit/agents.
import { llm, stt, tts, tokenize, voice } from '@livekit/agents';
import { AudioFrame } from '@livekit/rtc-node';

const SAMPLE_RATE = 16000;
const FRAME_SAMPLES = SAMPLE_RATE / 50;
const SECONDS_PER_WORD = 0.04;

const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

function silence(samples: number) {
  return new AudioFrame(new Int16Array(samples), SAMPLE_RATE, 1, samples);
}

// What to say, or the tool to call.
export type Answer = string | { tool: string; args: Record<string, unknown> };

export class FakeLLM extends llm.LLM {
  answers: Record<string, Answer>;

  constructor(answers: Record<string, Answer>) {
    super();
    this.answers = answers;
  }

  label() {
    return 'fake.LLM';
  }

  get model() {
    return 'fake-llm';
  }

  chat({ chatCtx, toolCtx, connOptions }: Parameters<llm.LLM['chat']>[0]) {
    const patience = connOptions ?? { maxRetry: 0, retryIntervalMs: 0, timeoutMs: 1000 };
    return new FakeLLMStream(this, { chatCtx, toolCtx, connOptions: patience });
  }
}

class FakeLLMStream extends llm.LLMStream {
  answers: Record<string, Answer>;

  constructor(model: FakeLLM, options: ConstructorParameters<typeof llm.LLMStream>[1]) {
    super(model, options);
    this.answers = model.answers;
  }

  protected async run() {
    const items = this.chatCtx.items;
    const last = items.at(-1)!;
    const id = `request-${items.length}`;
    const said = items.findLast((item) => item.type === 'message')?.textContent ?? '';
    const answer: Answer =
      last.type === 'function_call_output'
        ? `The tool said: ${last.output}.`
        : (this.answers[said] ?? 'I see.');
    let tokens = 1;
    if (typeof answer === 'string') {
      const words = answer.split(' ');
      tokens = words.length;
      for (const word of words) {
        await sleep(1);
        this.queue.put({ id, delta: { role: 'assistant', content: `${word} ` } });
      }
    } else {
      const { tool, args } = answer;
      const call = llm.FunctionCall.create({ callId: `call-${tool}`, name: tool, args: JSON.stringify(args) });
      this.queue.put({ id, delta: { role: 'assistant', toolCalls: [call] } });
    }
    this.queue.put({
      id,
      usage: {
        completionTokens: tokens,
        promptTokens: 100,
        promptCachedTokens: 0,
        totalTokens: 100 + tokens,
      },
    });
  }
}

class OneUtteranceTTS extends tts.TTS {
  label = 'fake.TTS';

  constructor() {
    super(SAMPLE_RATE, 1, { streaming: false });
  }

  get model() {
    return 'fake-tts';
  }

  synthesize(text: string) {
    return new FakeSpeech(text, this);
  }

  stream(): tts.SynthesizeStream {
    throw new Error('this voice does not stream');
  }
}

class FakeSpeech extends tts.ChunkedStream {
  label = 'fake.Speech';

  protected async run() {
    const samples = Math.round(SAMPLE_RATE * SECONDS_PER_WORD * this.inputText.split(' ').length);
    const frame = silence(samples);
    this.queue.put({ requestId: 'speech', segmentId: 'speech', frame, final: true });
    this.queue.close();
  }
}

export function fakeTTS() {
  return new tts.StreamAdapter(new OneUtteranceTTS(), new tokenize.basic.SentenceTokenizer());
}

// Hears exactly what `say` is told.
export class FakeSTT extends stt.STT {
  label = 'fake.STT';
  #hearings = new Set<FakeHearing>();

  constructor() {
    super({ streaming: true, interimResults: true });
  }

  get model() {
    return 'fake-stt';
  }

  say(words: string) {
    for (const hearing of this.#hearings) {
      void hearing.hear(words);
    }
  }

  protected async _recognize(): Promise<stt.SpeechEvent> {
    throw new Error('this ear only streams');
  }

  stream() {
    const hearing = new FakeHearing(this);
    this.#hearings.add(hearing);
    return hearing;
  }
}

class FakeHearing extends stt.SpeechStream {
  label = 'fake.Hearing';

  protected async run() {
    for await (const _ of this.input) {
      // The line is silent; words come through `hear`.
    }
  }

  async hear(words: string) {
    this.queue.put({ type: stt.SpeechEventType.START_OF_SPEECH });
    for (const type of [stt.SpeechEventType.INTERIM_TRANSCRIPT, stt.SpeechEventType.FINAL_TRANSCRIPT]) {
      await sleep(20);
      const data = { language: 'en' as never, text: words, startTime: 0, endTime: 0, confidence: 0.9 };
      this.queue.put({ type, alternatives: [data] });
    }
    this.queue.put({ type: stt.SpeechEventType.END_OF_SPEECH });
  }
}

// A line that is always silent.
export class Microphone extends voice.AudioInput {
  #timer?: NodeJS.Timeout;

  constructor() {
    super();
    const frames = new ReadableStream<AudioFrame>({
      start: (controller) => {
        this.#timer = setInterval(() => controller.enqueue(silence(FRAME_SAMPLES)), 20);
      },
      cancel: () => clearInterval(this.#timer),
    });
    this.multiStream.addInputStream(frames as never);
  }

  override async close() {
    clearInterval(this.#timer);
    await super.close();
  }
}

// Plays in real time, to nobody.
export class Loudspeaker extends voice.AudioOutput {
  #pushed = 0;
  #startedAt = 0;
  #end?: NodeJS.Timeout;

  constructor() {
    super(SAMPLE_RATE, undefined, { pause: false });
  }

  override async captureFrame(frame: AudioFrame) {
    await super.captureFrame(frame);
    if (this.#pushed === 0) {
      this.#startedAt = Date.now();
      this.onPlaybackStarted(this.#startedAt);
    }
    this.#pushed += frame.samplesPerChannel / frame.sampleRate;
  }

  override flush() {
    super.flush();
    if (this.#pushed && !this.#end) {
      const left = this.#startedAt + this.#pushed * 1000 - Date.now();
      this.#end = setTimeout(() => this.#finish(false), Math.max(left, 0));
    }
  }

  clearBuffer() {
    if (this.#pushed) {
      this.#finish(true);
    }
  }

  #finish(interrupted: boolean) {
    clearTimeout(this.#end);
    this.#end = undefined;
    const played = Math.min((Date.now() - this.#startedAt) / 1000, this.#pushed);
    this.#pushed = 0;
    this.onPlaybackFinished({ playbackPosition: played, interrupted });
  }
}
