import { describe, expect, it } from "vitest";
import { applyPatch, PatchError } from "../src/core/json-patch";

describe("JSON Patch (RFC 6902)", () => {
  it.each([
    [{ a: 1 }, [{ op: "add", path: "/b", value: 2 }], { a: 1, b: 2 }],
    [[1, 3], [{ op: "add", path: "/1", value: 2 }], [1, 2, 3]],
    [[1], [{ op: "add", path: "/-", value: 2 }], [1, 2]],
    [{ a: { b: 1 } }, [{ op: "remove", path: "/a/b" }], { a: {} }],
    [{ a: 1 }, [{ op: "replace", path: "", value: 5 }], 5],
    [{ "x/y": { "~": 1 } }, [{ op: "replace", path: "/x~1y/~0", value: 2 }], { "x/y": { "~": 2 } }],
    [{ a: [1, 2] }, [{ op: "move", from: "/a/0", path: "/b" }], { a: [2], b: 1 }],
    [{ a: { c: 1 } }, [{ op: "copy", from: "/a", path: "/b" }], { a: { c: 1 }, b: { c: 1 } }],
    [{ a: { x: 1, y: 2 } }, [{ op: "test", path: "/a", value: { y: 2, x: 1 } }], { a: { x: 1, y: 2 } }],
  ])("%j with %j is %j", (value, patch, expected) => expect(applyPatch(value, patch)).toEqual(expected));

  it.each([
    [{}, [{ op: "remove", path: "/a" }]], [{}, [{ op: "replace", path: "/a", value: 1 }]], [[1], [{ op: "add", path: "/2", value: 1 }]],
    [[1], [{ op: "remove", path: "/01" }]], [{}, [{ op: "add", path: "/a/b", value: 1 }]], [{}, [{ op: "add", path: "/__proto__/x", value: 1 }]], [{}, [{ op: "add", path: "/__proto__", value: {} }]],
    [{ a: 1 }, [{ op: "test", path: "/a", value: 2 }]], [{}, [{ op: "burn", path: "/a" }]], [{}, "no list"], [{}, [{ op: "add", path: "a", value: 1 }]],
  ])("%j refuses %j", (value, patch) => expect(() => applyPatch(value, patch)).toThrow(PatchError));

  it("changes neither the value nor the prototype of objects", () => {
    const value = Object.freeze({ a: Object.freeze([1]) });
    expect(applyPatch(value, [{ op: "add", path: "/a/-", value: 2 }])).toEqual({ a: [1, 2] });
    expect(value).toEqual({ a: [1] });
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });
});
