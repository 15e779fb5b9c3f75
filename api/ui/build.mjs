// Builds the web pages into a folder: index.html and assets/NAME-HASH.EXT, each with a compressed copy beside it.
//
//     node build.mjs [--out DIR]      the pages; DIR is ../../build/pages
//     node build.mjs --tests          the unit tests, for node's own runner, into ../../build/pages-tests
import * as esbuild from "esbuild";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { constants, gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const build = join(here, "..", "..", "build");

// The icons that the pages use; each is one <symbol> of a sprite.
const ICONS = [
  "check", "chevron-down", "chevron-right", "chevron-up", "circle-alert", "circle-help", "clock", "copy", "download", "external-link",
  "eye-off", "filter", "link", "log-out", "menu", "minus", "plus", "radio", "search", "table", "trash-2", "x",
];

async function sprite() {
  const symbols = await Promise.all(ICONS.map(async (name) => {
    const svg = await readFile(join(here, "node_modules/lucide-static/icons", `${name}.svg`), "utf8");
    const inner = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
    return `<symbol id="${name}" viewBox="0 0 24 24">${inner.trim().replace(/\s*\n\s*/g, "")}</symbol>`;
  }));
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`;
}

// The set-up that people copy: the very files that tests/clients runs with the real SDKs.
const SNIPPETS = {
  "livekit-python": "livekit-python/tracing.py", "livekit-node": "livekit-node/tracing.ts", python: "python/tracing.py",
  typescript: "typescript/tracing.ts", go: "go/agent/tracing.go",
};

async function snippets() {
  const read = async ([name, path]) => [name, await readFile(join(here, "../../tests/clients", path), "utf8")];
  return JSON.stringify(Object.fromEntries(await Promise.all(Object.entries(SNIPPETS).map(read))));
}

function hashOf(text) {
  let h = 0x811c9dc5;
  for (const c of Buffer.from(text)) h = Math.imul(h ^ c, 0x01000193) >>> 0;
  return h.toString(36).toUpperCase().padStart(7, "0");
}

async function pages(out) {
  await rm(out, { recursive: true, force: true });
  await mkdir(join(out, "assets"), { recursive: true });
  const icons = await sprite();
  const iconsName = `icons-${hashOf(icons)}.svg`;
  await writeFile(join(out, "assets", iconsName), icons);
  const result = await esbuild.build({
    entryPoints: { app: join(here, "src/main.tsx") },
    bundle: true,
    splitting: true,
    format: "esm",
    target: ["es2022"],
    minify: true,
    metafile: true,
    legalComments: "none",
    jsx: "automatic",
    jsxImportSource: "preact",
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    outdir: join(out, "assets"),
    define: { ICONS_URL: JSON.stringify(`/assets/${iconsName}`), SNIPPETS: await snippets() },
    logLevel: "warning",
  });
  const names = Object.keys(result.metafile.outputs).map((path) => path.split("/").pop());
  const script = names.find((name) => /^app-.*\.js$/.test(name));
  const style = names.find((name) => /^app-.*\.css$/.test(name));
  const html = await readFile(join(here, "index.html"), "utf8");
  await writeFile(join(out, "index.html"), html.replace("APP_JS", `/assets/${script}`).replace("APP_CSS", `/assets/${style}`));
  await pack(out);
}

async function pack(out) {
  for (const folder of [out, join(out, "assets")]) {
    for (const name of await readdir(folder)) {
      if (/\.(html|js|css|svg)$/.test(name)) {
        const text = await readFile(join(folder, name));
        await writeFile(join(folder, `${name}.gz`), gzipSync(text, { level: constants.Z_BEST_COMPRESSION }));
      }
    }
  }
}

async function tests() {
  const out = join(build, "pages-tests");
  const names = (await readdir(join(here, "test"))).filter((name) => /\.test\.tsx?$/.test(name));
  await rm(out, { recursive: true, force: true });
  await esbuild.build({
    entryPoints: names.map((name) => join(here, "test", name)),
    bundle: true,
    platform: "node",
    format: "esm",
    target: ["node18"],
    jsx: "automatic",
    jsxImportSource: "preact",
    outExtension: { ".js": ".mjs" },
    outdir: out,
    define: { ICONS_URL: '"/icons.svg"', SNIPPETS: await snippets() },
    logLevel: "warning",
  });
}

const at = process.argv.indexOf("--out");
if (process.argv.includes("--tests")) {
  await tests();
} else {
  await pages(at > 0 ? process.argv[at + 1] : join(build, "pages"));
}
