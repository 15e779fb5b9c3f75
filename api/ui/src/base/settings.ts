// What the reader has chosen: theme, zone, single keys. Kept in the browser; nothing secret ever is.
import { effect, signal } from "@preact/signals";
import { zone, type Zone } from "./format";

let knownScale = 0; // 0: to be asked for; asking makes the browser settle its styles, which no frame has time for

/** How much larger the reader's browser sets text than most do. Sizes in CSS are in rem and follow by themselves. */
export function textScale(): number {
  knownScale ||= (parseFloat(getComputedStyle(document.documentElement).fontSize) || 16) / 16;
  return knownScale;
}

export type Theme = "system" | "light" | "dark";
export const theme = signal<Theme>("system");
/** The theme that is shown: what is drawn on a canvas follows it. */
export const shownTheme = signal<"light" | "dark">("light");
export const singleKeys = signal(true);
export const targetMs = signal(1000);
/** While a screen is shared: what people said, and values whose key says so, are blank. */
export const hidesSensitive = signal(false);

const NAME = "calltrace.settings";

function read(): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(NAME) ?? "{}");
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
  } catch {
    return {};
  }
}

export function startSettings(): void {
  addEventListener("resize", () => { knownScale = 0; }); // another size of text comes with it
  const kept = read();
  if (kept["theme"] === "light" || kept["theme"] === "dark") theme.value = kept["theme"];
  if (kept["zone"] === "utc") zone.value = "utc" as Zone;
  if (kept["singleKeys"] === false) singleKeys.value = false;
  if (kept["hidesSensitive"] === true) hidesSensitive.value = true;
  if (typeof kept["targetMs"] === "number" && kept["targetMs"] > 0) targetMs.value = kept["targetMs"];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = signal(dark.matches);
  dark.addEventListener("change", () => { isDark.value = dark.matches; });
  effect(() => {
    const shown = theme.value === "system" ? (isDark.value ? "dark" : "light") : theme.value;
    document.documentElement.dataset["theme"] = shown;
    shownTheme.value = shown;
  });
  effect(() => {
    const value = JSON.stringify({ theme: theme.value, zone: zone.value, singleKeys: singleKeys.value, targetMs: targetMs.value, hidesSensitive: hidesSensitive.value });
    try { localStorage.setItem(NAME, value); } catch { /* a browser that keeps nothing still shows the pages */ }
  });
}
