// VAPI's own client against VAPI_URL: one page of GET /call, as calltrace's repair command asks for it.
//
//   VAPI_URL=https://localhost:PORT VAPI_API_KEY=... node list.ts CREATED_AT_GE CREATED_AT_LT
import { VapiClient } from '@vapi-ai/server-sdk';
import type { Vapi } from '@vapi-ai/server-sdk';

const [createdAtGe, createdAtLt] = process.argv.slice(2);
const token = process.env.VAPI_API_KEY;
if (!token || !process.env.VAPI_URL) {
  throw new Error('VAPI_URL and VAPI_API_KEY are needed');
}
const client = new VapiClient({ token, baseUrl: process.env.VAPI_URL, maxRetries: 0 });
const request: Vapi.ListCallsRequest = { limit: 1000, createdAtGe, createdAtLt };
const calls: Vapi.Call[] = await client.calls.list(request);
for (const call of calls) {
  console.log(JSON.stringify(call));
}
