// Group by a tag, two groups side by side, and from there to their traces.
import { equal, until } from "../site.mjs";
import { voiceSpans } from "../otlp.mjs";

export default async function (site) {
  for (const [version, model, failing] of [["v1", "gpt-4o", 1], ["v1", "gpt-4o", 0], ["v2", "gpt-5", 0], ["v2", "gpt-5", 0], ["v2", "gpt-5", 0]]) {
    await site.send(voiceSpans({ model, failing }), { resource: { "roark.project.tag.version": version } });
  }
  await site.send(voiceSpans());
  const page = await site.page("/traces");
  await page.getByText("6 traces, 1 with errors").waitFor();
  await page.getByLabel("Group by").selectOption("tag:version");
  await page.waitForURL("**by=tag*version");
  const line = (name) => page.locator("table.list").getByRole("row").filter({ has: page.getByRole("cell", { name, exact: true }) });
  await line("v1").waitFor();
  equal((await line("v1").locator("td.number").allTextContents()).slice(0, 3), ["2", "0 (0 %)", "1 (50 %)"], "the numbers of v1");
  await line("none").waitFor();
  await page.getByLabel("Compare v1").check();
  await page.getByText("Tick a second group").waitFor();
  const place = await line("v2").boundingBox();
  await page.getByLabel("Compare v2").check();
  await page.getByRole("heading", { name: "Side by side" }).waitFor();
  await site.look(page, "groups");
  equal((await line("v2").boundingBox()).y, place.y, "the list stands still");
  const side = page.locator(".compare");
  equal(await side.getByRole("row").filter({ hasText: "With errors" }).locator("td").allTextContents(), ["1 (50 %)", "0 (0 %)", "\u221250 points"], "side by side, with the change");
  equal(await side.getByRole("row").filter({ hasText: "Traces" }).first().locator("td").allTextContents(), ["2", "3", "+1"], "one more");
  await side.getByRole("button", { name: "Swap" }).click();
  await until(async () => (await side.getByRole("row").filter({ hasText: "With errors" }).locator("td").allTextContents()).join() === "0 (0 %),1 (50 %),+50 points", "the other way round");
  await side.getByRole("button", { name: "Swap" }).click();
  const same = await site.page(page.url().slice(site.base.length));
  await same.getByRole("heading", { name: "Side by side" }).waitFor();
  await side.getByRole("link", { name: "Show traces of v2" }).click();
  await until(async () => await page.locator(".results tbody tr:not(.more)").count() === 3, "the traces of v2");
  await page.getByRole("button", { name: "Remove the filter tag version is v2" }).waitFor();

  // Every group's link lists what the group counts: those without a value, too, and by the exact name.
  const rows = async (count, what) => until(async () => await page.locator(".results tbody tr:not(.more)").count() === count, what);
  const shown = async (by, group, count, chip) => {
    await page.goto(`${site.base}/traces?by=${encodeURIComponent(by)}`);
    await page.locator("table.list").getByRole("link", { name: `Show traces of ${group}`, exact: true }).click();
    await rows(count, `${count} traces of ${by} ${group}`);
    await page.getByRole("button", { name: `Remove the filter ${chip}`, exact: true }).waitFor();
  };
  await shown("tag:version", "none", 1, "tag version is absent ");
  await shown("status", "ok", 5, "status is ok");
  await shown("status", "error", 1, "status is error");
  await shown("name", "agent_session", 6, "root name is agent_session");
  equal(new URL(page.url()).search, "?rootName=agent_session", "the exact name");
}
