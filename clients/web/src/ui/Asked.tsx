/** What was asked of a run. It is not in the log (an agent's log is what the agent says) but belongs above it. */

import { useState } from "preact/hooks";
import { Icon } from "./Icon";

export function Asked({ input }: { input: unknown }) {
  const [whole, setWhole] = useState(false);
  if (input === undefined || input === null) return null;
  if (typeof input === "string") return <div class="bubble asked">{input}</div>;
  return (
    <div class="asked">
      <button class="fold-head" aria-expanded={whole} onClick={() => setWhole(!whole)}><Icon name="chevron" /><strong>Input</strong></button>
      {whole && <pre class="fold-code">{JSON.stringify(input, null, 2)}</pre>}
    </div>
  );
}
