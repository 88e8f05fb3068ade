/** A run's status as a dot and a word. */

import type { RunStatus, Verdict } from "../core/protocol";
import { statusWords } from "../core/format";

export function StatusChip({ status, verdict, label }: { status: RunStatus; verdict?: Verdict | null | undefined; label?: string | undefined }) {
  const words = statusWords(status, verdict ?? null);
  return <span class={`chip ${words.tone}`} data-status={status}>{label ?? words.label}</span>;
}

export function StatusDot({ status, verdict }: { status: RunStatus; verdict?: Verdict | null | undefined }) {
  const words = statusWords(status, verdict ?? null);
  return <span class={`dot ${words.tone}`} role="img" aria-label={words.label} />;
}
