// Set-up: a key, the steps with it, and the marks as things arrive.
import { check, equal, until } from "../site.mjs";
import { exportOf, newTraceId, nowNs, voiceSpans } from "../otlp.mjs";

const SOURCES = ["livekit-python", "livekit-node", "vapi", "pipecat", "typescript", "go", "python", "collector"];

export default async function (site) {
  const page = await site.page("/");
  await page.waitForURL("**/setup"); // there is nothing yet
  await page.getByRole("heading", { name: "Arrived" }).waitFor();
  equal(await page.locator(".mark-line.done").count(), 0, "nothing arrived yet");
  await page.getByRole("button", { name: "Make a key" }).click();
  const key = await page.locator(".made-key .secret").textContent();
  const marks = page.locator(".mark-line");
  equal(await marks.count(), 4, "four marks");
  for (const source of SOURCES) {
    await page.locator(`.tabs a[href="/setup/${source}"]`).click();
    await page.waitForURL(`**/setup/${source}`);
    const shown = (await page.locator(".snippet pre").allTextContents()).join("\n");
    check(shown.includes(site.base) && shown.includes(key), `${source} has the address and the key`);
  }
  await page.goto(`${site.base}/setup/livekit-python`);
  await page.locator(".snippet").getByText("livekit.room.id").waitFor();
  await site.look(page, "setup");
  await page.goto(`${site.base}/setup/python`);
  await page.getByRole("button", { name: "Make a key" }).click();
  const mine = await page.locator(".made-key .secret").textContent();
  await page.getByRole("button", { name: "Copy: Use it" }).click();
  check((await page.evaluate(() => navigator.clipboard.readText())).includes("trace_to_calltrace"), "copied");

  // Spans without a key first: two marks, and a way to the reason.
  const done = async (names) => until(async () => {
    const texts = await page.locator(".mark-line.done").allTextContents();
    return texts.length === names.length && names.every((name, i) => texts[i].startsWith(name));
  }, `the marks ${names}`);
  await site.ask("POST", "/v1/traces", exportOf(newTraceId(), nowNs(), {}, voiceSpans()), mine);
  await done(["key used", "first spans"]);
  await page.getByRole("link", { name: "Why not?" }).waitFor();
  await site.ask("POST", "/v1/traces", exportOf(newTraceId(), nowNs(), { "roark.external_id": "call-42" }, voiceSpans()), mine);
  await done(["key used", "first spans", "key found"]);

  // What an exporter does wrong stands here within 2 s, and is still there after a reload.
  const refused = async (path, type, data, status) => {
    const answer = await site.api.fetch(site.base + path, { method: "POST", headers: { Authorization: `Bearer ${mine}`, "Content-Type": type }, data });
    equal(answer.status(), status, path);
  };
  const refusal = page.locator(".refusal");
  equal(await refusal.count(), 0, "nothing was refused");
  await refused("/v1/traces", "text/plain", "hello", 415);
  await until(async () => (await refusal.textContent({ timeout: 100 })).includes("415 on /v1/traces, Content-Type must be"), "the refusal", 2000);
  await refused("/v1/trace", "application/x-protobuf", "", 404);
  await until(async () => (await refusal.textContent()).includes("404 on /v1/trace, there is nothing at this path"), "the next refusal", 2500);
  await site.look(page, "setup-refused");
  const again = await site.page("/setup/python");
  await again.locator(".refusal").getByText("404").waitFor();
  await again.context().close();

  await site.ask("POST", "/v1/call", { externalId: "call-42", startedAt: new Date().toISOString() }, mine);
  await done(["key used", "first spans", "key found", "call linked"]);
  await site.look(page, "setup-arrived");
  await page.getByRole("link", { name: "Open it" }).click();
  await page.waitForURL("**/calls/*");

  const reader = (await site.ask("POST", "/v1/keys", { name: "reader", scopes: ["read"] })).data;
  const other = await site.page("/setup/go", { key: reader.key });
  await other.getByText("a key that lacks manage").waitFor();
  equal(await other.getByRole("button", { name: "Make a key" }).count(), 0, "no button that would be refused");
}
