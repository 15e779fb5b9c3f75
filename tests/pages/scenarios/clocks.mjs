// Clocks that run apart, and long gaps: shown as received, drawn otherwise only by the reader's choice.
import { check, equal, until } from "../site.mjs";
import { newTraceId, nowNs, span } from "../otlp.mjs";

const MS = 1_000_000n;
const HOUR = 3_600_000;
const rowNamed = (page, text) => page.getByRole("treegrid").getByRole("row").filter({ hasText: text });
const parameter = (page, name) => new URL(page.url()).searchParams.get(name);
const placeOf = async (page, name) => (await rowNamed(page, name).locator(".bar, .extent").first().boundingBox()).x;

async function shiftsTrace(site) {
  // The second trace says that it ended before its call began.
  const start = nowNs() - 300_000n * MS;
  const call = await site.call({ externalId: "clock-1", startedAt: new Date(Number(start / MS)).toISOString() });
  const key = { "roark.external_id": "clock-1" };
  const good = await site.send([span("session", { ms: 20_000 })], { start, resource: key });
  const early = await site.send([span("orders", { at: -60_000, ms: 1000 })], { start, resource: { ...key, "service.name": "orders" } });
  for (const trace of [good, early]) await site.linked(trace);
  const page = await site.page(`/calls/${call.id}`);
  await page.getByText("The clock of trace A seems 1 min 00 s behind.").waitFor();
  await page.getByText("Times are shown as received.").waitFor();
  const apart = async () => await placeOf(page, "B session") - await placeOf(page, "A orders");
  check(await apart() > 200, "as received it stands long before the call");
  check(await page.locator(".over-time .outside").count() >= 1, "what is outside the call is shaded");
  await site.look(page, "clock-note");
  await page.locator(".note").getByRole("button", { name: "Draw shifted" }).click();
  await until(() => parameter(page, "shift") === "A:60000", "the address holds the choice");
  await until(async () => Math.abs(await apart()) < 6, "it is drawn at the call's start");
  check((await rowNamed(page, "A orders").textContent()).includes("shifted"), "its row says so");
  await page.getByText("It is drawn 1 min 00 s later than received.").waitFor();
  await page.locator(".wrow.span").filter({ hasText: "orders" }).click();
  await page.getByRole("complementary").getByText("It is drawn 1 min 00 s later than received.").waitFor();
  await site.look(page, "clock-shifted");
  // Who gets the link sees the same; the row itself takes it back.
  await page.reload();
  await rowNamed(page, "A orders").waitFor();
  check(Math.abs(await apart()) < 6, "after a reload as well");
  await rowNamed(page, "A orders").getByRole("button", { name: "As received" }).click();
  await until(() => parameter(page, "shift") === null, "as received again");
  await page.goto(`${site.base}/calls/${call.id}?shift=${encodeURIComponent("Z:5,B:x,%,A/none:7")}`);
  await page.getByText("Times are shown as received.").waitFor();
  check(await page.locator(".wrow .tag").filter({ hasText: "shifted" }).count() === 0, "an address that says nothing shifts nothing");
  await page.close();
}

async function shiftsService(site) {
  // In one trace every span of the service "cards" begins 3.2 s after its parent's end.
  const start = nowNs() - 300_000n * MS;
  const traceId = newTraceId();
  const root = span("checkout", { ms: 4000 });
  const pays = [0, 1000, 2000].map((at) => span(`pay ${at}`, { at, ms: 500, parent: root.id }));
  await site.send([root, ...pays], { start, traceId });
  await site.send(pays.map((one, i) => span(`charge ${i}`, { at: one.at + 500 + 3200, ms: 300, parent: one.id })), { start, traceId, resource: { "service.name": "cards" } });
  // And one span's clock went backward, another one begins before its parent.
  await site.send([span("backward", { at: 1000, ms: -3, parent: root.id }), span("too early", { at: -400, ms: 900, parent: root.id })], { start, traceId });
  const page = await site.page(`/traces/${traceId}`);
  await page.getByText("The clock of cards seems 3.20 s ahead.").waitFor();
  const received = await placeOf(page, "charge 0");
  await page.getByRole("button", { name: "Draw shifted" }).click();
  await until(() => parameter(page, "shift") === "A/cards:-3200", "the address names the service");
  await until(async () => await placeOf(page, "charge 0") < received, "its spans are drawn earlier");
  check((await rowNamed(page, "charge 0").textContent()).includes("shifted") && !(await rowNamed(page, "pay 0").textContent()).includes("shifted"), "only they are");
  equal(await rowNamed(page, "backward").locator(".cell-duration").textContent(), "-3 ms", "a negative length is not clamped");
  equal(await rowNamed(page, "backward").locator(".clock-notch").count(), 1, "it has a notch");
  await rowNamed(page, "backward").click();
  await page.getByRole("complementary").getByText("It ends 3 ms before it starts.").waitFor();
  equal(await rowNamed(page, "too early").locator(".clock-notch").count(), 1, "so has a child before its parent");
  check(/starts before its parent/.test(await rowNamed(page, "too early").locator(".cell-time").textContent()), "in words as well");
  await rowNamed(page, "too early").click();
  await page.getByRole("complementary").getByText(/It starts 400 ms before its parent/).waitFor();
  equal(await rowNamed(page, "pay 0").locator(".clock-notch").count(), 0, "a span on time has none");
  await page.close();
}

async function breaksGaps(site) {
  // A chat that went on the next day, as a page.
  const start = nowNs() - BigInt(30 * HOUR) * MS;
  const chat = (await site.ask("POST", "/v1/chat", { externalId: "chat-1", startTimestamp: new Date(Number(start / MS)).toISOString(), endTimestamp: new Date(Number(start / MS) + 25 * HOUR).toISOString() })).data;
  const resource = { "roark.external_id": "chat-1" };
  const request = (name, at) => span(name, { at, ms: 2000, values: { "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o",
    "gen_ai.input.messages": JSON.stringify([{ role: "user", content: `question of ${name}` }]), "gen_ai.output.messages": JSON.stringify([{ role: "assistant", content: "an answer" }]) } });
  for (const [name, at] of [["first", 0], ["second", 60_000], ["next day", 24 * HOUR]]) await site.linked(await site.send([request(name, at)], { start, resource }));
  const page = await site.page(`/chats/${chat.id}`);
  await page.getByRole("heading", { name: /^Chat, / }).waitFor();
  await rowNamed(page, "next day").first().waitFor();
  await page.locator(".over-time .break").first().waitFor();
  const breaks = page.locator(".over-time .break");
  check(await breaks.count() >= 1, "the night is broken");
  check((await breaks.first().textContent()).startsWith("23 h 58 min"), `its length stands in it: ${await breaks.first().textContent()}`);
  equal(Math.round((await breaks.first().boundingBox()).width), 24, "24 px wide");
  const apart = async () => await placeOf(page, "second") - await placeOf(page, "first");
  const broken = await apart();
  check(broken > 20, "what lies beside it can be told apart");
  await site.look(page, "chat");
  await page.getByLabel(/^Break gaps/).uncheck();
  await until(async () => await breaks.count() === 0, "the switch draws it whole");
  check(await apart() < broken / 10, "and then it cannot");
  await until(() => parameter(page, "gaps") === "0", "the address says so");
  await page.reload();
  await rowNamed(page, "next day").first().waitFor();
  check(!(await page.getByLabel(/^Break gaps/).isChecked()), "a reload keeps it");
  await page.getByLabel(/^Break gaps/).check();
  // Its transcript is built from the spans, and says so.
  await page.getByRole("navigation", { name: "About this call" }).getByRole("link", { name: "Transcript" }).click();
  await page.getByText("No transcript was sent.").or(page.getByText("has no transcript")).first().waitFor();
  await page.getByRole("link", { name: "Details" }).click();
  await page.getByText("chat-1").first().waitFor();
  await page.close();
}

export default async function (site) {
  await shiftsTrace(site);
  await shiftsService(site);
  await breaksGaps(site);
}
