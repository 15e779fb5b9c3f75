// node run.mjs SCENARIO < options.json: one scenario in a browser of its own. Ends with 1 and a reason when it fails.
import { text } from "node:stream/consumers";
import { Site } from "./site.mjs";

const options = JSON.parse(await text(process.stdin));
const { default: scenario } = await import(`./scenarios/${process.argv[2]}.mjs`);
const site = await Site.open(options);
try {
  await scenario(site);
} catch (error) {
  console.error(error.stack ?? error);
  if (site.troubles.length) console.error(`the pages complained:\n${site.troubles.join("\n")}`);
  await site.browser.close();
  await site.larger?.close();
  process.exit(1);
}
await site.close();
