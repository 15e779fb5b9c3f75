// Every source pastes the reader's own address and key, and names the attribute that links.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_KEY, sourceOf, SOURCES } from "../src/setup/sources";

const place = { url: "https://your.host:4318", key: "ct_live_secret" };
const codes = (id: string, at: { url: string; key: string | null } = place): string => sourceOf(id).steps(at).map((step) => step.code ?? "").join("\n");

test("all of them have the address and the key, or what stands for it", () => {
  for (const { id } of SOURCES) {
    assert.ok(codes(id).includes(place.url), id);
    assert.ok(codes(id).includes("ct_live_secret"), id);
    assert.ok(codes(id, { ...place, key: null }).includes(NO_KEY), id);
    assert.ok(!codes(id, { ...place, key: null }).includes("ct_live_"), id);
  }
});

test("traces name what links them", () => {
  for (const { id, attribute, steps } of SOURCES.filter((one) => one.id !== "vapi")) {
    const said = steps(place).map((step) => `${step.code ?? ""} ${step.text ?? ""}`).join("\n");
    assert.ok(said.includes(attribute), id);
  }
  for (const id of ["livekit-python", "livekit-node", "python", "typescript", "go"]) assert.match(codes(id), /OTLP|otlptracehttp/, id);
});

test("titles are unique within a source, an unknown source is the first", () => {
  for (const source of SOURCES) {
    const titles = source.steps(place).map((step) => step.title);
    assert.equal(new Set(titles).size, titles.length, source.id);
  }
  assert.equal(sourceOf("<script>"), SOURCES[0]);
  assert.equal(sourceOf(undefined), SOURCES[0]);
});
