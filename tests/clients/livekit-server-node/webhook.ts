// Sends webhooks as a LiveKit server does: bodies of LiveKit's own types, signed by its server SDK.
//
//   node webhook.ts < webhooks.jsonl
//
// A line of the input is one webhook: its `event`, the `key` and `secret` that sign it, and what may be
// wrong with it: `ttl` (seconds; negative: expired), `change` (the body after it was signed), `bearer`.
// Prints what calltrace answered and whether LiveKit's own receiver, which knows `trusted`, takes it.
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { AccessToken, WebhookEvent, WebhookReceiver } from 'livekit-server-sdk';

interface Webhook {
  event: object;
  key: string;
  secret: string;
  trusted: string;
  ttl?: number;
  change?: boolean;
  bearer?: boolean;
}

async function isReceived(body: string, token: string, webhook: Webhook): Promise<boolean> {
  try {
    const event = await new WebhookReceiver(webhook.key, webhook.trusted).receive(body, token);
    return event.event !== '';
  } catch {
    return false;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const webhook = JSON.parse(line) as Webhook;
  // Refuses what is no event of LiveKit's, a field of another name or type among it.
  let body = WebhookEvent.fromJson(webhook.event as never).toJsonString();
  const token = new AccessToken(webhook.key, webhook.secret, { ttl: webhook.ttl ?? 300 });
  token.sha256 = createHash('sha256').update(body).digest('base64');
  const jwt = await token.toJwt();
  if (webhook.change) body = body.replace('room', 'r00m');
  const response = await fetch(`${process.env.CALLTRACE_URL}/v1/integrations/livekit`, {
    method: 'POST',
    headers: {
      'content-type': 'application/webhook+json',
      authorization: webhook.bearer ? `Bearer ${jwt}` : jwt,
    },
    body,
  });
  await response.text();
  console.log(JSON.stringify({ status: response.status, received: await isReceived(body, jwt, webhook) }));
}
