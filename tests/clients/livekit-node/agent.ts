// A LiveKit agent in one process, without a media server: the real framework, fake models.
//
//   node agent.ts ROOM_SID [resource|skip|metadata|job|unregistered]
//
// `resource` and `skip` are the set-up of tracing.ts. In `metadata` and `job` the resource names no
// room, as when the provider is made in prewarm: with `metadata` the room stands on every span as
// room_id, with `job` the framework itself writes the room of its job on some. `unregistered` is
// the easy mistake: the provider is handed to the framework and never registered.
//
// Standard output has one JSON line for the framework and one for every span that ended.
import { Job, JobType, Room as RoomInfo } from '@livekit/protocol';
import { Room } from '@livekit/rtc-node';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  type ReadableSpan,
  type Span,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import * as agents from '@livekit/agents';
import { z } from 'zod';
import { FakeLLM, FakeSTT, fakeTTS, Loudspeaker, Microphone, type Answer } from './fakes.ts';
import { traceToCalltrace } from './tracing.ts';

const GREETING = 'Hello, how can I help?';
const LAST_WORDS = 'All right, I stop.';
const ANSWERS: Record<string, Answer> = {
  'What is the weather in Paris?': { tool: 'lookupWeather', args: { location: 'Paris' } },
  'Tell me a long story.': 'Once upon a time there was a very long story. '.repeat(12),
  'Stop, please.': LAST_WORDS,
};

const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

// Prints what the framework made, beside what the exporter sends. Later processors may join.
class SpanLog implements SpanProcessor {
  joined: SpanProcessor[] = [];

  onStart(span: Span, context: Parameters<SpanProcessor['onStart']>[1]) {
    this.joined.forEach((one) => one.onStart(span, context));
  }

  onEnd(span: ReadableSpan) {
    this.joined.forEach((one) => one.onEnd(span));
    const { traceId, spanId } = span.spanContext();
    const parentSpanId = span.parentSpanContext?.spanId ?? '';
    const interrupted = Boolean(span.attributes['lk.interrupted']);
    console.log(JSON.stringify({ traceId, spanId, parentSpanId, name: span.name, interrupted }));
  }

  async forceFlush() {}
  async shutdown() {}
}

function providerWithoutRoom(log: SpanLog, metadata?: { room_id: string }) {
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'voice-agent' }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter()), log],
  });
  provider.register();
  agents.telemetry.setTracerProvider(provider, {
    metadata,
    registerSpanProcessor: (one) => log.joined.push(one),
  });
  return provider;
}

function providerNobodyRegistered(roomSid: string, log: SpanLog) {
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'voice-agent', 'livekit.room.id': roomSid }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter()), log],
  });
  agents.telemetry.setTracerProvider(provider);
  return provider;
}

function providerOf(variant: string, roomSid: string, log: SpanLog) {
  switch (variant) {
    case 'metadata':
      return providerWithoutRoom(log, { room_id: roomSid });
    case 'job':
      return providerWithoutRoom(log);
    case 'unregistered':
      return providerNobodyRegistered(roomSid, log);
    default:
      return traceToCalltrace(roomSid, variant === 'skip', [log]);
  }
}

class Reception extends agents.voice.Agent {
  constructor() {
    super({
      instructions: 'You are the reception of a hotel.',
      tools: {
        lookupWeather: agents.llm.tool({
          description: 'Called when the user asks for the weather.',
          parameters: z.object({ location: z.string() }),
          execute: async ({ location }) => `sunny in ${location}`,
        }),
      },
    });
  }

  override async onEnter() {
    await this.session.say(GREETING).waitForPlayout();
  }
}

// Remembers what the agent has said to the end.
class Ear {
  said: string[] = [];

  constructor(session: agents.voice.AgentSession) {
    session.on(agents.voice.AgentSessionEventTypes.ConversationItemAdded, ({ item }) => {
      this.said.push('textContent' in item ? (item.textContent ?? '') : '');
    });
  }

  async hears(words: string) {
    while (!this.said.some((said) => said.includes(words))) {
      await sleep(10);
    }
  }
}

// Four turns: text, a tool, a story that the caller interrupts, and a last word.
async function holdCall(session: agents.voice.AgentSession, caller: FakeSTT, ear: Ear) {
  await ear.hears(GREETING);
  for (const userInput of ['Good morning.', 'What is the weather in Paris?']) {
    await session.generateReply({ userInput }).waitForPlayout();
  }
  const story = session.generateReply({ userInput: 'Tell me a long story.' });
  while (session.agentState !== 'speaking') {
    await sleep(10);
  }
  await sleep(100);
  caller.say('Stop, please.');
  await story.waitForPlayout();
  if (!story.interrupted) {
    throw new Error('the caller was not heard');
  }
  await ear.hears(LAST_WORDS);
}

// The job that a worker would be given for this room.
function jobContext(roomSid: string) {
  const room = new RoomInfo({ sid: roomSid, name: 'fake-room' });
  const job = new Job({ id: 'AJ_fake', type: JobType.JT_ROOM, room });
  const acceptArguments = { name: '', identity: 'fake-agent', metadata: '' };
  const info = { acceptArguments, job, url: '', token: '', workerId: 'fake', fakeJob: true };
  const nothing = () => {};
  const inference = { doInference: async () => ({}) };
  return new agents.JobContext(new agents.JobProcess(), info, new Room(), nothing, nothing, inference);
}

async function main(roomSid: string, variant: string) {
  const log = new SpanLog();
  const provider = providerOf(variant, roomSid, log);
  const caller = new FakeSTT();
  const session = new agents.voice.AgentSession({
    llm: new FakeLLM(ANSWERS),
    stt: caller,
    tts: fakeTTS(),
    vad: null,
    turnHandling: {
      turnDetection: 'stt',
      endpointing: { minDelay: 50, maxDelay: 200 },
      interruption: { resumeFalseInterruption: false },
    },
    aecWarmupDuration: null,
    useTtsAlignedTranscript: false,
  });
  session.input.audio = new Microphone();
  session.output.audio = new Loudspeaker();
  const ear = new Ear(session);
  await session.start({ agent: new Reception() });
  await holdCall(session, caller, ear);
  await session.close();
  await provider.forceFlush();
  await provider.shutdown();
}

const [roomSid = 'RM_example', variant = 'resource'] = process.argv.slice(2);
agents.initializeLogger({ pretty: false, level: 'silent' });
console.log(JSON.stringify({ framework: '@livekit/agents', version: agents.version }));
await agents.runWithJobContextAsync(jobContext(roomSid), () => main(roomSid, variant));
process.exit(0); // the framework's native library keeps the process alive
