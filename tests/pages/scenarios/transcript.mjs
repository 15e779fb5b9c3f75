// What was said: the call's own words with what each answer took, or those of the spans where none were sent.
import { check, equal, until } from "../site.mjs";
import { livekitSpans, nowNs, span } from "../otlp.mjs";

const MS = 1_000_000n;
const line = (page, text) => page.locator(".transcript-line").filter({ hasText: text });

export default async function (site) {
  const start = nowNs() - 300_000n * MS;
  const resource = (room) => ({ "telemetry.sdk.language": "python", "livekit.room.id": room });
  // Turn 3 is slow and its answer is broken off by the user.
  const spans = livekitSpans({ turns: 4, slow: 3 });
  spans.filter((one) => one.name === "agent_turn")[2].values["lk.interrupted"] = true;
  const call = await site.call({ livekitRoomId: "RM_said", startedAt: new Date(Number(start / MS)).toISOString(), transcript: [
    { role: "CUSTOMER", text: "and when does it come?", startOffsetMs: 14_500, endOffsetMs: 16_100 },
    { role: "AGENT", text: "I could not find it.", startOffsetMs: 20_100, endOffsetMs: 21_900 },
    { role: "AGENT", text: "Shall I look again?", startOffsetMs: 21_950, endOffsetMs: 21_990 },
  ], toolInvocations: [{ name: "lookup_order", description: "looks", parameters: { id: "5521" }, result: "timeout", startOffsetMs: 17_000 }] });
  await site.linked(await site.send(spans, { start, resource: resource("RM_said") }));
  const page = await site.page(`/calls/${call.id}/transcript`);
  await line(page, "I could not find it.").waitFor();
  equal((await page.locator(".transcript-line .mono.quiet").allTextContents()).slice(0, 2), ["0:14.5", "0:17.0"], "in order, with their offsets");
  check(/answered after 3\.\d\d s/.test(await line(page, "I could not find it.").textContent()), `what the answer took: ${await line(page, "I could not find it.").textContent()}`);
  check((await line(page, "I could not find it.").textContent()).includes("user interrupted here"), "and where it was broken off");
  check(!/answered|interrupted/.test(await line(page, "Shall I look again?").textContent()), "the second sentence of an answer is none of its own");
  check(!/answered/.test(await line(page, "and when does it come?").textContent()), "nor is the question");
  await line(page, "lookup_order").getByText("timeout").waitFor();
  equal(await page.getByText("is built from the spans").count(), 0, "it is the call's own");
  await site.look(page, "call-transcript");
  await line(page, "I could not find it.").getByRole("link", { name: "Open turn" }).click();
  await page.getByRole("complementary", { name: "About Turn 3" }).waitFor();
  check(/^Turn 3 - Call \d\d:\d\d - calltrace$/.test(await page.title()), `the window is named by what is selected: ${await page.title()}`);
  // Another tab and back: the same view.
  const view = new URL(page.url()).search;
  const tabs = page.getByRole("navigation", { name: "About this call" });
  await tabs.getByRole("link", { name: "Details" }).click();
  await page.getByRole("heading", { name: "Keys" }).waitFor();
  check(/^Call \d\d:\d\d - calltrace$/.test(await page.title()), `no longer by the turn: ${await page.title()}`);
  await tabs.getByRole("link", { name: "Tracing" }).click();
  await page.getByRole("complementary", { name: "About Turn 3" }).waitFor();
  await until(() => new URL(page.url()).search.includes("turn=3") && new URL(page.url()).search.includes("win="), `the view is as it was: ${view}`);
  // The way past everything to the rows.
  await page.evaluate(() => document.querySelector("h1").focus());
  for (let i = 0; i < 20 && await page.evaluate(() => document.activeElement.textContent !== "Skip to the rows"); i++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await until(() => page.evaluate(() => document.activeElement.getAttribute("role") === "row"), "a row has the focus");

  // Without a transcript it is built from the spans, and says so.
  const bare = await site.call({ livekitRoomId: "RM_bare", startedAt: new Date(Number(start / MS)).toISOString() });
  await site.linked(await site.send(livekitSpans({ turns: 2, slow: 2 }), { start, resource: resource("RM_bare") }));
  await page.goto(`${site.base}/calls/${bare.id}/transcript`);
  await page.getByText("This one is built from the spans").waitFor();
  await line(page, "what about the refund?").waitFor();
  check(/answered after 3\.\d\d s/.test(await line(page, "Answer 2").textContent()), "with what the answer took");
  // And where nobody said anything that is told.
  const silent = await site.call({ externalId: "silent" });
  await site.linked(await site.send([span("job", { values: { "roark.external_id": "silent" } })]));
  await page.goto(`${site.base}/calls/${silent.id}/transcript`);
  await page.getByText("This call has no transcript, and its spans hold no words.").waitFor();
}
