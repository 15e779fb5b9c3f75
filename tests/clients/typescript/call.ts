// The backend's half: it tells calltrace about the call, before or after the traces.
//
//   . var/env                                 # from ./calltrace up
//   node call.ts my-call-1
//
// Node trusts the local certificate through NODE_EXTRA_CA_CERTS.
const [externalId] = process.argv.slice(2);
if (!externalId) {
  throw new Error('usage: node call.ts EXTERNAL_ID');
}

const answer = await fetch(`${process.env.CALLTRACE_URL}/v1/call`, {
  method: 'POST',
  headers: {
    Authorization: `Bearer ${process.env.CALLTRACE_API_KEY}`,
    'Content-Type': 'application/json',
  },
  body: JSON.stringify({
    externalId, // equals roark.external_id on the traces
    startedAt: new Date().toISOString(),
    interfaceType: 'PHONE',
    callDirection: 'INBOUND',
  }),
});
const body = await answer.json();
if (!answer.ok) {
  throw new Error(`${answer.status} ${body.code}: ${body.message}`);
}
console.log(JSON.stringify({ callId: body.data.id }));
