// Fails the build when the page has grown beyond its budget: sizes of the built files, compressed as a server would.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const KB = 1000;
const BUDGET = { initialJs: 95 * KB, css: 15 * KB, lazyChunk: 120 * KB, everything: 1500 * KB };
const out = new URL("../../../server/runwire/static/", import.meta.url).pathname;

const manifest = JSON.parse(readFileSync(join(out, ".vite/manifest.json"), "utf8"));
const packed = (file) => gzipSync(readFileSync(join(out, file))).length;
const initial = new Set();
const collect = (key) => {
  if (initial.has(key)) return;
  initial.add(key);
  for (const imported of manifest[key].imports ?? []) collect(imported);
};
for (const [key, chunk] of Object.entries(manifest)) if (chunk.isEntry) collect(key);

const scripts = Object.entries(manifest).filter(([, chunk]) => chunk.file.endsWith(".js"));
const styles = new Set(Object.values(manifest).flatMap((chunk) => chunk.css ?? []));
const sum = (files) => [...files].reduce((total, file) => total + packed(file), 0);
const found = [
  ["initial JS, gzip", sum(scripts.filter(([key]) => initial.has(key)).map(([, chunk]) => chunk.file)), BUDGET.initialJs],
  ["CSS, gzip", sum(styles), BUDGET.css],
  ...scripts.filter(([key]) => !initial.has(key)).map(([, chunk]) => [`lazy ${chunk.file}, gzip`, packed(chunk.file), BUDGET.lazyChunk]),
  ["all files", readdirSync(out, { recursive: true }).map((name) => statSync(join(out, name))).filter((stat) => stat.isFile()).reduce((total, stat) => total + stat.size, 0), BUDGET.everything],
];
let tooBig = false;
for (const [name, bytes, budget] of found) {
  const over = bytes > budget;
  tooBig ||= over;
  console.log(`${over ? "TOO BIG " : "ok      "}${(bytes / KB).toFixed(1).padStart(7)} of ${budget / KB} kB  ${name}`);
}
if (initial.size === 0 || styles.size === 0) throw new Error("the build's manifest names no entry or no style sheet");
process.exit(tooBig ? 1 : 0);
