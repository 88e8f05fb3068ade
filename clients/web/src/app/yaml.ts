/** Reading and writing YAML; a chunk of its own, loaded when an agent takes named fields. */
export { parse, stringify } from "yaml";
