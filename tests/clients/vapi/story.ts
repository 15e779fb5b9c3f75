// One call to a library's desk, as VAPI tells of it: the status while it runs, the report at its end,
// the item in the list of calls, and the lines of its log. Everything but the log's lines has the types
// of VAPI's own SDK; the compiler holds them to it.
//
// Two turns of the caller: a question that a tool answers, and a word into the middle of the answer.
import type { Vapi } from '@vapi-ai/server-sdk';

export interface Story {
  callId: string;
  status: Vapi.ServerMessage;
  report: Vapi.ServerMessage;
  call: Vapi.Call;
  log: LogLine[];
}

// A line of the call log. The SDK names the events; the rest of the shape is known from logs only.
export interface LogLine {
  time: number;
  level: number;
  severityText: 'INFO' | 'WARN' | 'ERROR';
  body: string;
  attributes: {
    category: 'call' | 'pipeline' | 'transcriber' | 'model' | 'tool' | 'voice';
    event?: Vapi.JsonQueryOnEventsTableOn;
    turnId?: string | null;
    spanId?: string;
    latency?: number;
    duration?: number;
    wasInterruption?: boolean;
    text?: string;
    input?: string;
    toolName?: string;
    toolCallId?: string;
    result?: string;
  };
}

const ASSISTANT_ID = '5b2f4c1e-7a56-4b0e-9f39-0d5a64f0a001';
const ORG_ID = '5b2f4c1e-7a56-4b0e-9f39-0d5a64f0a002';
const TOOL_CALL_ID = 'call_lookup_1';
const GREETING = 'Hello, this is the city library. How can I help?';
const QUESTION = 'Is the book Middlemarch in?';
const ANSWER = 'Yes, two copies are on the shelf. Shall I';
const INTERRUPTION = 'Please keep one for me.';
const GOODBYE = 'It is kept under your name until Friday. Goodbye!';
const SUMMARY = 'The caller asked for a book and had a copy kept.';
const PROMPT = 'You answer for the city library.';
const ARGUMENTS = '{"title":"Middlemarch"}';
const RESULT = '{"copies":2}';

export const ENDS_AFTER_MS = 17_600;

const assistant: Vapi.CreateAssistantDto = {
  name: 'Library desk',
  firstMessage: GREETING,
  transcriber: { provider: 'deepgram', model: 'nova-3', language: 'en' },
  model: {
    provider: 'openai',
    model: 'gpt-4o-mini',
    messages: [{ role: 'system', content: PROMPT }],
  },
  voice: { provider: '11labs', voiceId: 'sarah', model: 'eleven_turbo_v2_5' },
};

const customer: Vapi.CreateCustomerDto = { number: '+15550100123', name: 'A. Reader' };

const costs: Vapi.ServerMessageEndOfCallReportCostsItem[] = [
  { type: 'transport', provider: 'twilio', minutes: 0.2933, cost: 0.0041 },
  { type: 'transcriber', transcriber: { provider: 'deepgram', model: 'nova-3' }, minutes: 0.2933, cost: 0.0029 },
  {
    type: 'model',
    model: { provider: 'openai', model: 'gpt-4o-mini' },
    promptTokens: 812,
    completionTokens: 57,
    cachedPromptTokens: 256,
    reasoningTokens: 0,
    cost: 0.0002,
  },
  { type: 'voice', voice: { provider: '11labs', voiceId: 'sarah' }, characters: 139, cost: 0.0069 },
  { type: 'vapi', subType: 'normal', minutes: 0.2933, cost: 0.0147 },
  {
    type: 'analysis',
    analysisType: 'summary',
    model: { provider: 'openai', model: 'gpt-4o-mini' },
    promptTokens: 240,
    completionTokens: 18,
    cost: 0.0001,
  },
];
const COST = 0.0289;

const performanceMetrics: Vapi.PerformanceMetrics = {
  turnLatencies: [
    { modelLatency: 640, voiceLatency: 380, transcriberLatency: 310, endpointingLatency: 520, turnLatency: 2300 },
    { modelLatency: 410, voiceLatency: 290, transcriberLatency: 180, endpointingLatency: 220, turnLatency: 1100 },
  ],
  modelLatencyAverage: 525,
  voiceLatencyAverage: 335,
  transcriberLatencyAverage: 245,
  endpointingLatencyAverage: 370,
  turnLatencyAverage: 1700,
  fromTransportLatencyAverage: 60,
  toTransportLatencyAverage: 75,
  numUserInterrupted: 0,
  numAssistantInterrupted: 1,
};

function messages(start: number): Vapi.ArtifactMessagesItem[] {
  const toolCall: Vapi.ToolCall = {
    id: TOOL_CALL_ID,
    type: 'function',
    function: { name: 'lookup_book', arguments: ARGUMENTS },
  };
  const system: Vapi.SystemMessage = { role: 'system', message: PROMPT, time: start, secondsFromStart: 0 };
  const user = (message: string, from: number, to: number): Vapi.UserMessage => ({
    role: 'user',
    message,
    time: start + from,
    endTime: start + to,
    secondsFromStart: from / 1000,
    duration: to - from,
    metadata: { wordLevelConfidence: [] },
  });
  const bot = (message: string, from: number, to: number): Vapi.BotMessage => ({
    role: 'bot',
    message,
    time: start + from,
    endTime: start + to,
    secondsFromStart: from / 1000,
    duration: to - from,
    source: '',
    assistantId: ASSISTANT_ID,
    assistantName: 'Library desk',
  });
  const called: Vapi.ToolCallMessage = {
    role: 'tool_calls',
    toolCalls: [{ ...toolCall }],
    message: '',
    time: start + 7600,
    secondsFromStart: 7.6,
  };
  const returned: Vapi.ToolCallResultMessage = {
    role: 'tool_call_result',
    toolCallId: TOOL_CALL_ID,
    name: 'lookup_book',
    result: RESULT,
    time: start + 8300,
    secondsFromStart: 8.3,
  };
  return [
    system,
    bot(GREETING, 900, 3400),
    user(QUESTION, 4600, 6800),
    called,
    returned,
    bot(ANSWER, 9100, 11_000),
    user(INTERRUPTION, 10_800, 12_400),
    bot(GOODBYE, 13_500, 16_900),
  ];
}

function artifact(callId: string, start: number): Vapi.Artifact {
  const at = `https://storage.vapi.example/${callId}`;
  const spoken: Vapi.OpenAiMessage[] = [
    { role: 'system', content: PROMPT },
    { role: 'assistant', content: GREETING },
    { role: 'user', content: QUESTION },
    { role: 'assistant', content: ANSWER },
    { role: 'user', content: INTERRUPTION },
    { role: 'assistant', content: GOODBYE },
  ];
  return {
    messages: messages(start),
    messagesOpenAIFormatted: spoken,
    transcript: `AI: ${GREETING}\nUser: ${QUESTION}\nAI: ${ANSWER}\nUser: ${INTERRUPTION}\nAI: ${GOODBYE}\n`,
    recordingUrl: `${at}-mono.wav`,
    stereoRecordingUrl: `${at}-stereo.wav`,
    recording: { stereoUrl: `${at}-stereo.wav`, mono: { combinedUrl: `${at}-mono.wav` } },
    logUrl: `${at}.jsonl.gz`,
    presignedLogUrl: `${at}.jsonl.gz?signature=s`,
    assistantActivations: [{ assistantName: 'Library desk', assistantId: ASSISTANT_ID }],
    performanceMetrics,
    variableValues: {},
  };
}

function call(callId: string, start: number): Vapi.Call {
  const iso = (ms: number) => new Date(start + ms).toISOString();
  return {
    id: callId,
    orgId: ORG_ID,
    type: 'inboundPhoneCall',
    status: 'ended',
    createdAt: iso(-800),
    updatedAt: iso(ENDS_AFTER_MS + 2400),
    startedAt: iso(0),
    endedAt: iso(ENDS_AFTER_MS),
    endedReason: 'assistant-ended-call',
    phoneCallProvider: 'twilio',
    phoneCallProviderId: 'CA00000000000000000000000000000001',
    phoneNumberId: '5b2f4c1e-7a56-4b0e-9f39-0d5a64f0a003',
    assistantId: ASSISTANT_ID,
    customer,
    name: 'Library desk, test',
    cost: COST,
    costBreakdown: {
      transport: 0.0041,
      stt: 0.0029,
      llm: 0.0002,
      tts: 0.0069,
      vapi: 0.0147,
      total: COST,
      llmPromptTokens: 812,
      llmCompletionTokens: 57,
      llmCachedPromptTokens: 256,
      ttsCharacters: 139,
    },
  };
}

function log(start: number): LogLine[] {
  const lines: LogLine[] = [];
  const line = (ms: number, body: string, attributes: LogLine['attributes']) =>
    lines.push({ time: start + ms, level: 30, severityText: 'INFO', body, attributes });
  const event = (
    ms: number,
    name: Vapi.JsonQueryOnEventsTableOn,
    turnId: string | null,
    more: Omit<LogLine['attributes'], 'category' | 'event' | 'turnId'> = {},
  ) => {
    const part = name.split('.').at(-2) as LogLine['attributes']['category'];
    line(ms, name, { category: part, event: name, turnId, ...more });
  };

  event(0, 'call.started', null);
  event(700, 'call.inProgress', null);
  event(750, 'pipeline.firstMessageStarted', '0');
  event(760, 'assistant.voice.requestStarted', '0', { spanId: 'v0' });
  event(765, 'assistant.voice.textPushed', '0', { spanId: 'v0', text: GREETING });
  event(890, 'assistant.voice.firstAudioReceived', '0', { spanId: 'v0', latency: 130 });
  event(900, 'pipeline.botSpeechStarted', '0');
  event(1200, 'assistant.voice.generationSucceeded', '0', { spanId: 'v0', duration: 440 });
  event(3400, 'pipeline.botSpeechStopped', '0');
  event(3405, 'pipeline.firstMessageCompleted', '0');

  event(4590, 'pipeline.turnStarted', '1');
  event(4600, 'pipeline.userSpeechStarted', '1');
  event(5200, 'assistant.transcriber.partialTranscript', '1', { spanId: 't1', text: 'Is the book' });
  event(6800, 'pipeline.userSpeechStopped', '1');
  event(7110, 'assistant.transcriber.finalTranscript', '1', { spanId: 't1', latency: 310, text: QUESTION });
  event(7320, 'pipeline.endpointingTriggered', '1', { latency: 520 });
  event(7330, 'assistant.model.requestStarted', '1', { spanId: 'm1' });
  event(7590, 'assistant.model.toolCallsReceived', '1', { spanId: 'm1' });
  event(7595, 'assistant.model.responseSucceeded', '1', { spanId: 'm1', duration: 265 });
  event(7600, 'assistant.tool.started', '1', { spanId: 'x1', toolName: 'lookup_book', toolCallId: TOOL_CALL_ID });
  event(8300, 'assistant.tool.completed', '1', {
    spanId: 'x1',
    toolName: 'lookup_book',
    toolCallId: TOOL_CALL_ID,
    duration: 700,
    result: RESULT,
  });
  event(8310, 'assistant.model.requestStarted', '1', { spanId: 'm2' });
  event(8720, 'assistant.model.firstTokenReceived', '1', { spanId: 'm2', latency: 410 });
  event(8730, 'assistant.voice.requestStarted', '1', { spanId: 'v1' });
  event(8740, 'assistant.voice.textPushed', '1', { spanId: 'v1', text: ANSWER });
  event(8900, 'assistant.model.responseSucceeded', '1', { spanId: 'm2', duration: 590 });
  event(9090, 'assistant.voice.firstAudioReceived', '1', { spanId: 'v1', latency: 360 });
  event(9100, 'pipeline.botSpeechStarted', '1');

  event(10_800, 'pipeline.userSpeechStarted', '2');
  event(11_000, 'pipeline.cleared', '1', { wasInterruption: true });
  event(11_005, 'pipeline.botSpeechStopped', '1');
  event(11_010, 'pipeline.turnStarted', '2');
  event(12_400, 'pipeline.userSpeechStopped', '2');
  event(12_580, 'assistant.transcriber.finalTranscript', '2', { spanId: 't2', latency: 180, text: INTERRUPTION });
  event(12_620, 'pipeline.endpointingTriggered', '2', { latency: 220 });
  event(12_630, 'assistant.model.requestStarted', '2', { spanId: 'm3' });
  event(13_040, 'assistant.model.firstTokenReceived', '2', { spanId: 'm3', latency: 410 });
  event(13_050, 'assistant.voice.requestStarted', '2', { spanId: 'v2' });
  event(13_060, 'assistant.voice.textPushed', '2', { spanId: 'v2', text: GOODBYE });
  event(13_340, 'assistant.voice.firstAudioReceived', '2', { spanId: 'v2', latency: 290 });
  event(13_400, 'assistant.model.responseSucceeded', '2', { spanId: 'm3', duration: 770 });
  event(13_500, 'pipeline.botSpeechStarted', '2');
  event(14_100, 'assistant.voice.generationSucceeded', '2', { spanId: 'v2', duration: 1050 });
  event(16_900, 'pipeline.botSpeechStopped', '2');
  event(17_590, 'pipeline.cleared', 'CLEAN_UP', { wasInterruption: false });
  event(ENDS_AFTER_MS, 'call.ended', null);
  return lines;
}

// `start` is in milliseconds since 1970.
export function tell(callId: string, start: number): Story {
  const ended = call(callId, start);
  const running: Vapi.Call = { ...ended, status: 'in-progress', updatedAt: ended.startedAt ?? ended.createdAt };
  delete running.endedAt;
  delete running.endedReason;
  delete running.cost;
  delete running.costBreakdown;
  const analysis: Vapi.Analysis = { summary: SUMMARY, successEvaluation: 'true' };

  const report: Vapi.ServerMessageEndOfCallReport = {
    type: 'end-of-call-report',
    timestamp: start + ENDS_AFTER_MS + 2500,
    endedReason: 'assistant-ended-call',
    startedAt: ended.startedAt,
    endedAt: ended.endedAt,
    cost: COST,
    costs,
    artifact: artifact(callId, start),
    analysis,
    assistant,
    customer,
    call: ended,
  };
  const status: Vapi.ServerMessageStatusUpdate = {
    type: 'status-update',
    status: 'in-progress',
    timestamp: start + 20,
    assistant,
    customer,
    call: running,
  };
  const listed: Vapi.Call = {
    ...ended,
    costs,
    messages: messages(start),
    artifact: artifact(callId, start),
    analysis,
    assistant,
  };
  return { callId, status: { message: status }, report: { message: report }, call: listed, log: log(start) };
}
