// Why is it not linked: the reasons, the cure with the reader's own values, and the row that leaves when it links.
import { check, equal, until } from "../site.mjs";
import { voiceSpans } from "../otlp.mjs";

export default async function (site) {
  const empty = await site.page("/unmatched");
  await empty.getByText("Every trace of the last 24 hours has its call.").waitFor();

  await site.call({ externalId: "order-5521" });
  await site.send(voiceSpans(), { resource: { "roark.external_id": "Order-5521" } });
  await site.send(voiceSpans(), { resource: { "roark.externalId": "order-77" } });
  await site.send(voiceSpans(), { resource: { "roark.external_id": "order-99" } });
  await site.send(voiceSpans());

  const page = await site.page("/unmatched");
  const rows = () => page.locator(".unmatched-row");
  await until(async () => await rows().count() === 4, "four traces without a call");
  await page.getByRole("navigation", { name: "Pages" }).getByText("Unmatched 4").waitFor();
  for (const title of ["The key is spelt differently", "The attribute has another name", "No call holds the key", "No key on any span"]) {
    await page.getByRole("navigation", { name: "Reasons" }).getByText(title).waitFor();
  }
  await site.look(page, "unmatched");

  // The cure stands once for a reason; a row with other values has its own.
  await site.send(voiceSpans(), { resource: { "roark.external_id": "order-98" } });
  await until(async () => await rows().count() === 5, "a fifth comes by itself");
  const group = page.locator(".unmatched-group").filter({ has: page.getByRole("heading", { name: "No call holds the key 2" }) });
  equal(await group.locator(".plus").count(), 2, "one cure in sight, the other folded");
  equal(await group.locator(".plus:visible").textContent(), '+ change to: {"externalId":"order-98"}', "the newest row's values");
  await group.getByText("With its own values").click();
  await group.getByText('{"externalId":"order-99"}').waitFor();
  await site.call({ externalId: "order-98" });
  await until(async () => await rows().count() === 4, "it is linked and leaves");

  await page.getByRole("link", { name: "1 The key is spelt differently" }).click();
  await page.waitForURL("**reason=spelling*");
  await until(async () => await rows().count() === 1, "one of that reason");
  equal(await page.locator(".minus").textContent(), '- now: roark.external_id: "Order-5521"', "what stands there");
  equal(await page.locator(".plus").textContent(), '+ change to: roark.external_id: "order-5521"', "what to change");
  await page.getByRole("button", { name: "Copy the new line" }).click();
  equal(await page.evaluate(() => navigator.clipboard.readText()), 'roark.external_id: "order-5521"', "copied");

  await page.getByRole("navigation", { name: "Sides" }).getByText("Calls without a trace").click();
  await until(async () => (await rows().allTextContents()).some((text) => text.includes("order-5521")), "the call that waits");
  await site.look(page, "unmatched-calls");

  // The cure of "no call holds the key": the call is created, and the row leaves.
  await page.goto(`${site.base}/unmatched?reason=no_call`);
  await until(async () => await rows().count() === 1, "one without its call");
  const body = JSON.parse((await page.locator(".plus").textContent()).replace("+ change to: ", ""));
  equal(body, { externalId: "order-99" }, "the body to send");
  await site.call(body);
  await until(async () => await rows().count() === 0, "the row to leave the list");
  check(page.url().includes("reason=no_call"), "the page stays");
  await page.getByText('Nothing is left under "No call holds the key".').waitFor();
}
