// Writes src/core/wire.ts, the types of everything on the wire, from the server's JSON Schemas (docs/api/schema).
//
//     node scripts/generate-types.mjs            writes it
//     node scripts/generate-types.mjs --check    exits with 1 if it is not what would be written
//
// Takes the part of JSON Schema that the server's generator uses, and refuses anything else by name rather than guessing.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const schemas = new URL("../../../docs/api/schema/", import.meta.url);
const target = fileURLToPath(new URL("../src/core/wire.ts", import.meta.url));
const HEAD = `/**
 * The frames and commands of the wire protocol as types. Generated from docs/api/schema by scripts/generate-types.mjs: do not edit.
 */
`;
/** Keywords that narrow a value in ways that a TypeScript type cannot say, or that only explain it. */
const SILENT = new Set([
  "title", "description", "default", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength",
  "minItems", "maxItems", "pattern", "discriminator", "$schema", "$defs", "format",
]);
const PLAIN = { string: "string", integer: "number", number: "number", boolean: "boolean", null: "null" };

/** Return the TypeScript type of a schema. */
function typeOf(schema, where) {
  const { type, enum: values, const: only, $ref, anyOf, oneOf, items, prefixItems, properties, required = [], additionalProperties, ...rest } = schema;
  const unknown = Object.keys(rest).filter((key) => !SILENT.has(key));
  if (unknown.length > 0) throw new Error(`${where}: unknown keywords ${unknown.join(", ")}`);
  if ($ref) return $ref.split("/").at(-1);
  if (values) return values.map((value) => JSON.stringify(value)).join(" | ");
  if (only !== undefined) return JSON.stringify(only);
  const choices = anyOf ?? oneOf;
  if (choices) return choices.map((choice) => typeOf(choice, where)).join(" | ");
  if (Array.isArray(type)) return type.map((each) => typeOf({ ...schema, type: each }, where)).join(" | ");
  if (type === "array") {
    if (prefixItems) return `readonly [${prefixItems.map((item) => typeOf(item, where)).join(", ")}]`;
    const item = items ? typeOf(items, where) : "unknown";
    return `readonly ${item.includes(" ") ? `(${item})` : item}[]`;
  }
  if (type === "object") {
    if (properties) return body(properties, required, where);
    return `Readonly<Record<string, ${typeof additionalProperties === "object" ? typeOf(additionalProperties, where) : "unknown"}>>`;
  }
  if (type === undefined) return "unknown";
  if (!(type in PLAIN)) throw new Error(`${where}: unknown type ${type}`);
  return PLAIN[type];
}

function body(properties, required, where) {
  const lines = Object.entries(properties).map(([name, schema]) => {
    const comment = schema.description ? `  /** ${schema.description} */\n` : "";
    return `${comment}  readonly ${name}${required.includes(name) ? "" : "?"}: ${typeOf(schema, `${where}.${name}`)};`;
  });
  return lines.length > 0 ? `{\n${lines.join("\n")}\n}` : "Readonly<Record<string, never>>";
}

function declaration(name, schema) {
  const comment = schema.description ? `/** ${schema.description.replaceAll("\n", "\n * ")} */\n` : "";
  const type = typeOf(schema, name);
  return `${comment}${type.startsWith("{") ? `export interface ${name} ${type}` : `export type ${name} = ${type};`}\n`;
}

const frames = JSON.parse(readFileSync(new URL("frames.json", schemas), "utf8"));
const commands = JSON.parse(readFileSync(new URL("commands.json", schemas), "utf8"));
const definitions = new Map();
for (const [name, schema] of [...Object.entries(frames.$defs), ...Object.entries(commands.$defs)]) {
  const known = definitions.get(name);
  if (known && JSON.stringify(known) !== JSON.stringify(schema)) throw new Error(`two definitions of ${name}`);
  definitions.set(name, schema);
}
const commandNames = [];
for (const command of commands.oneOf) {
  const name = `${command.title.split(/[._]/).map((word) => word[0].toUpperCase() + word.slice(1)).join("")}Command`;
  commandNames.push(name);
  definitions.set(name, command);
}
const made = [
  HEAD,
  ...[...definitions].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, schema]) => declaration(name, schema)),
  `/** Everything that a server sends. */\nexport type AnyFrame = ${frames.oneOf.map((frame) => typeOf(frame, "frames")).join(" | ")};\n`,
  `/** Everything that a client may ask. */\nexport type AnyCommand = ${commandNames.join(" | ")};\n`,
].join("\n");

if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== made) {
    console.error("clients/web/src/core/wire.ts is out of date; write it with: make docs");
    process.exit(1);
  }
} else writeFileSync(target, made);
