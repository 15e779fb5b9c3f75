// What the eye needs, computed from tokens.css: text at least 4.7:1 and bars of the waterfall over 3:1 on every surface.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

type Tokens = Record<string, string>;

const css = readFileSync("src/style/tokens.css", "utf8");
const block = (start: string): Tokens => {
  const at = css.indexOf(start);
  assert.ok(at >= 0, start);
  return Object.fromEntries([...css.slice(at, css.indexOf("}", at)).matchAll(/--([\w-]+): (#[0-9A-Fa-f]{6})/g)].map((match) => [match[1]!, match[2]!]));
};
const light = block(":root {");
const THEMES: [string, Tokens][] = [["light", light], ["dark", { ...light, ...block(':root[data-theme="dark"] {') }]];

const SURFACES = ["canvas", "panel", "turn-row", "hover", "selected"];
const TEXTS = ["text", "text-2", "text-3", "link", "error-text"];
const ROLES = ["role-user", "role-turn-end", "role-llm", "role-tool", "role-tts", "role-other", "bar-ok", "error-mark"];
const PAIRS = [["ok", "ok-tint"], ["warn", "warn-tint"], ["info", "info-tint"], ["error", "error-tint"], ["hit", "hit-tint"]];

function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light! + 0.05) / (dark! + 0.05);
}

function atLeast(tokens: Tokens, front: string, back: string, least: number): void {
  assert.ok(tokens[front] && tokens[back], `${front}, ${back} are tokens`);
  const got = contrast(tokens[front]!, tokens[back]!);
  assert.ok(got >= least, `${front} on ${back}: ${got.toFixed(2)}, at least ${least}`);
}

test("contrast is computed as WCAG says", () => {
  assert.equal(contrast("#000000", "#FFFFFF"), 21);
  assert.equal(contrast("#777777", "#777777"), 1);
  assert.equal(contrast("#767676", "#FFFFFF").toFixed(2), "4.54");
});

for (const [theme, tokens] of THEMES) {
  test(`${theme}: every text can be read on every surface`, () => {
    for (const surface of SURFACES) for (const text of TEXTS) atLeast(tokens, text, surface, 4.7);
    for (const [text, tint] of PAIRS) atLeast(tokens, text!, tint!, 4.7);
  });
  test(`${theme}: every bar stands out from every surface`, () => {
    for (const surface of SURFACES) for (const role of ROLES) atLeast(tokens, role, surface, 3);
  });
  test(`${theme}: the focus and the edges of controls can be seen`, () => {
    for (const surface of SURFACES) atLeast(tokens, "focus", surface, 3);
    for (const surface of ["canvas", "panel"]) atLeast(tokens, "border-control", surface, 3);
  });
  test(`${theme}: no two roles have one colour`, () => {
    const colours = ROLES.filter((role) => role.startsWith("role-")).map((role) => tokens[role]);
    assert.equal(new Set(colours).size, colours.length);
  });
}
