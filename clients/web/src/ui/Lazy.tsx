/** A part of the page that is a chunk of its own, loaded when it is first shown. */

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { describe } from "../app/api";
import { problem } from "../app/store";

export function Lazy({ load }: { load: () => Promise<ComponentType> }) {
  const [Loaded, setLoaded] = useState<ComponentType | null>(null);
  useEffect(() => {
    let current = true;
    load().then(
      (component) => current && setLoaded(() => component),
      (error: unknown) => (problem.value = describe(error)),
    );
    return () => void (current = false);
  }, [load]);
  return Loaded ? <Loaded /> : <main class="tests"><p class="quiet">Loading…</p></main>;
}
