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
  // A number that no double holds is shown as it was sent.
  const create = async (fields) => {
    const answer = await site.api.fetch(`${site.base}/v1/call`, { method: "POST", headers: { Authorization: `Bearer ${site.key}`, "Content-Type": "application/json" },
      data: JSON.stringify(fields).replaceAll('"BIG"', "9007199254740993") });
    check(answer.ok(), `the call is created: ${answer.status()}`);
    return (await answer.json()).data;
  };
  const call = await create({ livekitRoomId: "RM_said", properties: { order: "BIG" }, startedAt: new Date(Number(start / MS)).toISOString(), transcript: [
    { role: "CUSTOMER", text: "and when does it come?", startOffsetMs: 14_500, endOffsetMs: 16_100 },
    { role: "AGENT", text: "I could not find it.", startOffsetMs: 20_100, endOffsetMs: 21_900 },
    { role: "AGENT", text: "Shall I look again?", startOffsetMs: 21_950, endOffsetMs: 21_990 },
  ], toolInvocations: [{ name: "lookup_order", description: "looks", parameters: { id: "BIG" }, result: "timeout", startOffsetMs: 17_000 }] });
  await site.linked(await site.send(spans, { start, resource: resource("RM_said") }));
  const page = await site.page(`/calls/${call.id}/transcript`);
  await line(page, "I could not find it.").waitFor();
  equal((await page.locator(".transcript-line .mono.quiet").allTextContents()).slice(0, 2), ["0:14.5", "0:17.0"], "in order, with their offsets");
  check(/answered after 3\.\d\d s/.test(await line(page, "I could not find it.").textContent()), `what the answer took: ${await line(page, "I could not find it.").textContent()}`);
  check((await line(page, "I could not find it.").textContent()).includes("user interrupted here"), "and where it was broken off");
  check(!/answered|interrupted/.test(await line(page, "Shall I look again?").textContent()), "the second sentence of an answer is none of its own");
  check(!/answered/.test(await line(page, "and when does it come?").textContent()), "nor is the question");
  const tool = line(page, "lookup_order");
  equal(await tool.count(), 1, "what the call tells of a tool and its span are one line");
  check(/lookup_order\{"id": ?9007199254740993\}gavetimeout/.test(await tool.textContent()), `what it was given and gave: ${await tool.textContent()}`);
  check(/\u2715 error1\.94 s/.test(await tool.textContent()), "that it failed, and how long it ran");
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
  await page.getByText('"order": 9007199254740993').waitFor();
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
  // The tools are those of the spans; from there to the span.
  check(/tool.*lookup_order.*\u2715 error1\.94 s/.test(await line(page, "lookup_order").textContent()), "the tool that failed");
  await page.getByLabel("Hide sensitive").check();
  await line(page, "what about the refund?").waitFor({ state: "detached" });
  check((await page.locator(".transcript-line").allTextContents()).some((text) => text.includes("hidden")), "said to be hidden");
  await page.getByLabel("Hide sensitive").uncheck();
  await line(page, "lookup_order").getByRole("link", { name: "Open span" }).click();
  await page.getByRole("complementary", { name: "About function_tool" }).waitFor();
  // And where nobody said anything that is told.
  const silent = await site.call({ externalId: "silent" });
  await site.linked(await site.send([span("job", { values: { "roark.external_id": "silent" } })]));
  await page.goto(`${site.base}/calls/${silent.id}/transcript`);
  await page.getByText("This call has no transcript, and its spans hold no words.").waitFor();
}
