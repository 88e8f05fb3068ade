/** Reading and writing YAML; a chunk of its own, loaded when an agent takes named fields or a test is edited. */
import { parse as parseYaml, stringify as stringifyYaml } from "yaml";

export { parse, stringify } from "yaml";

/** YAML 1.1, as the server reads tests: what it would take for a truth value or a time is written in quotes. */
export const yaml11 = {
  parse: (text: string): unknown => parseYaml(text, { version: "1.1", schema: "yaml-1.1", merge: false }),
  stringify: (value: unknown): string => stringifyYaml(value, { version: "1.1", schema: "yaml-1.1", lineWidth: 0, aliasDuplicateObjects: false }),
};
