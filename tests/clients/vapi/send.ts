// Sends the story of one call to calltrace, as VAPI's webhook or as a forwarder would.
//
//   source var/env                              # from ./calltrace up
//   node send.ts report CALL_ID START_MS        POST /v1/vapi/call
//   node send.ts server CALL_ID START_MS        POST /v1/integrations/vapi: the status, then the report
//   node send.ts status CALL_ID START_MS        POST /v1/integrations/vapi: the status alone
//
// Node trusts the local certificate through NODE_EXTRA_CA_CERTS.
import { tell } from './story.ts';
import type { Story } from './story.ts';

const [what, callId, start] = process.argv.slice(2);
if (!what || !callId || !start) {
  throw new Error('usage: node send.ts report|server|status CALL_ID START_MS');
}

async function post(path: string, body: unknown): Promise<void> {
  const answer = await fetch(`${process.env.CALLTRACE_URL}${path}`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${process.env.CALLTRACE_API_KEY}`,
      'Content-Type': 'application/json',
    },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) {
    throw new Error(`${path}: ${answer.status} ${text}`);
  }
  console.log(JSON.stringify({ path, status: answer.status, body: JSON.parse(text) }));
}

const story: Story = tell(callId, Number(start));
if (what === 'report') {
  await post('/v1/vapi/call', { vapiEndOfCallReportPayload: story.report });
} else {
  await post('/v1/integrations/vapi', story.status);
  if (what === 'server') {
    await post('/v1/integrations/vapi', story.report);
  }
}
