/**
 * JSON Patch (RFC 6902) on immutable values, for STATE_DELTA and ACTIVITY_DELTA.
 *
 * Pure: the input is never changed; what a patch does not touch is shared with the result.
 */

/** The patch does not fit the value; the value stays as it was. */
export class PatchError extends Error {}

type Json = unknown;
type Container = Readonly<Record<string, Json>> | readonly Json[];

/**
 * Apply `patch` to `value` and return the result.
 *
 * Raises PatchError if `patch` is no list of operations or one of them does not apply; nothing is applied in part.
 */
export function applyPatch(value: Json, patch: Json): Json {
  if (!Array.isArray(patch)) throw new PatchError("a patch is a list of operations");
  let result = value;
  for (const operation of patch) result = applyOne(result, operation as Record<string, Json>);
  return result;
}

function applyOne(root: Json, operation: Record<string, Json>): Json {
  const path = pointer(operation["path"]);
  switch (operation["op"]) {
    case "add":
      return edit(root, path, (box, key) => insert(box, key, operation["value"]), operation["value"]);
    case "replace":
      read(root, path);
      return edit(root, path, (box, key) => assign(box, key, operation["value"]), operation["value"]);
    case "remove":
      read(root, path);
      return edit(root, path, remove, null);
    case "copy":
    case "move": {
      const from = pointer(operation["from"]);
      const moved = read(root, from);
      const base = operation["op"] === "move" ? edit(root, from, remove, null) : root;
      return edit(base, path, (box, key) => insert(box, key, moved), moved);
    }
    case "test":
      if (!equal(read(root, path), operation["value"])) throw new PatchError("a test of the patch failed");
      return root;
    default:
      throw new PatchError("unknown operation");
  }
}

function pointer(path: Json): string[] {
  if (typeof path !== "string" || (path !== "" && !path.startsWith("/"))) throw new PatchError("a path begins with /");
  const parts = path.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  if (parts.includes("__proto__")) throw new PatchError("forbidden path");
  return parts;
}

function isContainer(value: Json): value is Container {
  return typeof value === "object" && value !== null;
}

function child(box: Json, key: string): Json {
  if (!isContainer(box) || !Object.hasOwn(box, key)) throw new PatchError(`no such place: ${key}`);
  return (box as Record<string, Json>)[key];
}

function read(root: Json, path: readonly string[]): Json {
  return path.reduce(child, root);
}

/** Rebuild the containers along `path`, the last one by `change`; the whole value is `whole` if the path is empty. */
function edit(root: Json, path: readonly string[], change: (box: Container, key: string) => Container, whole: Json): Json {
  const [key, ...rest] = path;
  if (key === undefined) return whole;
  if (!isContainer(root)) throw new PatchError(`no such place: ${key}`);
  return rest.length === 0 ? change(root, key) : assign(root, key, edit(child(root, key), rest, change, whole));
}

function assign(box: Container, key: string, value: Json): Container {
  if (Array.isArray(box)) return box.with(position(key, box.length - 1), value);
  return { ...box, [key]: value };
}

function insert(box: Container, key: string, value: Json): Container {
  if (Array.isArray(box)) return box.toSpliced(key === "-" ? box.length : position(key, box.length), 0, value);
  return { ...box, [key]: value };
}

function remove(box: Container, key: string): Container {
  if (Array.isArray(box)) return box.toSpliced(position(key, box.length - 1), 1);
  const { [key]: _gone, ...rest } = box as Record<string, Json>;
  return rest;
}

function position(key: string, last: number): number {
  if (!/^(0|[1-9]\d*)$/.test(key) || Number(key) > last) throw new PatchError(`no such index: ${key}`);
  return Number(key);
}

/** Deep equality of JSON values; the order of an object's keys does not matter (RFC 6902, section 4.6). */
function equal(left: Json, right: Json): boolean {
  if (left === right) return true;
  if (!isContainer(left) || !isContainer(right) || Array.isArray(left) !== Array.isArray(right)) return false;
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every((key) => Object.hasOwn(right, key) && equal(child(left, key), child(right, key)));
}
