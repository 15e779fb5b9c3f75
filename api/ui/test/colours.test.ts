// What the eye needs, computed from tokens.css: text at least 4.7:1 and bars of the waterfall over 3:1 on every surface,
// and no two roles alike, also for eyes that tell fewer colours apart.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { converter, differenceCiede2000, filterDeficiencyDeuter, filterDeficiencyProt, filterDeficiencyTrit, type Color, type Rgb } from "culori";

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

const DIFFERENCE_LEAST: Record<string, number> = { light: 15, dark: 11 }; // CIEDE2000
const differ = differenceCiede2000();
const linear = converter("lrgb");

/** The matrices hold for linear light; the library would apply them to the encoded values. */
const inLinearLight = (filter: (colour: Rgb) => Rgb) => (colour: string): Color => {
  const { r, g, b } = linear(colour)!;
  const seen = filter({ mode: "rgb", r, g, b });
  return { mode: "lrgb", r: seen.r, g: seen.g, b: seen.b };
};
const VISIONS: [string, (colour: string) => Color | string][] = [
  ["normal", (colour) => colour],
  ["protan", inLinearLight(filterDeficiencyProt(1) as (colour: Rgb) => Rgb)],
  ["deutan", inLinearLight(filterDeficiencyDeuter(1) as (colour: Rgb) => Rgb)],
  ["tritan", inLinearLight(filterDeficiencyTrit(1) as (colour: Rgb) => Rgb)],
];

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
  for (const [vision, seen] of VISIONS) {
    test(`${theme}: any two roles differ under ${vision} vision`, () => {
      const roles = ROLES.filter((role) => role.startsWith("role-"));
      assert.equal(roles.length, 6);
      roles.forEach((a, i) => roles.slice(i + 1).forEach((b) => {
        const got = differ(seen(tokens[a]!), seen(tokens[b]!));
        assert.ok(got >= DIFFERENCE_LEAST[theme]!, `${a} and ${b}: ${got.toFixed(1)}, at least ${DIFFERENCE_LEAST[theme]}`);
      }));
    });
  }
}

test("a difference that is too small is seen", () => {
  assert.ok(differ("#2F9470", "#2F9472") < 11);
  // Red and green of one lightness: apart for most, alike for a deuteranope.
  const deutan = VISIONS.find(([name]) => name === "deutan")![1];
  assert.ok(differ("#B06050", "#708050") > 30);
  assert.ok(differ(deutan("#B06050"), deutan("#708050")) < 15);
});
