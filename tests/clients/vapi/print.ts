// Prints the story of one call as one line of JSON.
//
//   node print.ts [CALL_ID [START_MS]]
import { randomUUID } from 'node:crypto';
import { tell } from './story.ts';

const [callId = randomUUID(), start] = process.argv.slice(2);
console.log(JSON.stringify(tell(callId, start === undefined ? Date.now() - 60_000 : Number(start))));
