// A voice agent that sends the trace of one call to calltrace.
//
//   source var/env                            # from ./calltrace up: address, key, certificate
//   npm ci && node agent.ts my-call-1         # Node 22.18 or newer runs TypeScript as it is
//
// The exporter itself reads OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _CERTIFICATE and _COMPRESSION.
import { trace, type Attributes } from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { traceToCalltrace } from './tracing.ts';

const [externalId = `call-${Date.now()}`, place = 'resource', turns = '3'] = process.argv.slice(2);

// This attribute is the link: POST /v1/call gets the same value as externalId (see call.ts).
// It may stand on the resource, and so on every span, or on the root span alone.
const link = { 'roark.external_id': externalId };

// Both encodings are welcome; protobuf is the smaller one.
const isJson = process.env.OTEL_EXPORTER_OTLP_PROTOCOL === 'http/json';
const sdk = traceToCalltrace(place === 'resource' ? link : {}, isJson ? new JsonExporter() : undefined);
const tracer = trace.getTracer('voice-agent');

// One span around `inside`; its ids go to standard output.
function step(name: string, attributes: Attributes = {}, inside = () => {}) {
  tracer.startActiveSpan(name, { attributes }, (span) => {
    const { traceId, spanId } = span.spanContext();
    console.log(JSON.stringify({ traceId, spanId, name }));
    inside();
    span.end();
  });
}

step('agent_session', place === 'root' ? link : {}, () => {
  for (let turn = 1; turn <= Number(turns); turn++) {
    step('user_turn', { 'lk.user_transcript': `question ${turn}` });
    step('agent_turn', {}, () => {
      step('llm_node', { 'gen_ai.request.model': 'gpt-4o', 'gen_ai.usage.input_tokens': 100 * turn });
      step('tts_node', { 'lk.response.text': `answer ${turn}` });
    });
  }
});

await sdk.shutdown(); // sends what is still waiting
