// A voice agent that sends the trace of one call to calltrace.
//
//   . var/env                                 # from ./calltrace up: address, key, certificate
//   npm ci && node agent.ts my-call-1         # Node 22.18 or newer runs TypeScript as it is
//
// Arguments: the external id, where it stands (resource or root), how many turns.
import { trace, type Attributes } from '@opentelemetry/api';

import { EXTERNAL_ID, traceToCalltrace } from './tracing.ts';

const [externalId = `call-${Date.now()}`, place = 'resource', turns = '3'] = process.argv.slice(2);

const sdk = traceToCalltrace('voice-agent', place === 'resource' ? externalId : undefined, { environment: 'staging' });
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

step('agent_session', place === 'root' ? { [EXTERNAL_ID]: externalId } : {}, () => {
  for (let turn = 1; turn <= Number(turns); turn++) {
    step('user_turn', { 'lk.user_transcript': `question ${turn}` });
    step('agent_turn', {}, () => {
      step('llm_node', { 'gen_ai.request.model': 'gpt-4o', 'gen_ai.usage.input_tokens': 100 * turn });
      step('tts_node', { 'lk.response.text': `answer ${turn}` });
    });
  }
});

await sdk.shutdown(); // sends what is still waiting
