/** The log itself, entry by entry, in the order and words of the API. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Entry } from "../core/protocol";
import { exportHref } from "../app/api";
import type { RunSession } from "../app/run-session";

/** Height of one line, CSS pixels; the same as in the style sheet. */
const LINE_PX = 24;

export function RawLog({ session }: { session: RunSession }) {
  const shownSeq = session.shown.value.lastSeq; // drawn again when entries come or a replay moves
  const box = useRef<HTMLDivElement>(null);
  const [scroll, setScroll] = useState({ top: 0, height: 600 });
  const [chosen, choose] = useState<number | null>(null);
  const count = session.log.countUpTo(shownSeq);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const look = () => setScroll({ top: element.scrollTop, height: element.clientHeight });
    look();
    element.addEventListener("scroll", look, { passive: true });
    return () => element.removeEventListener("scroll", look);
  }, []);
  const first = Math.max(0, Math.floor(scroll.top / LINE_PX) - 5);
  const lines = session.log.entries.slice(first, Math.min(count, first + Math.ceil(scroll.height / LINE_PX) + 10));
  const detail = chosen === null ? undefined : session.log.entries[session.log.countUpTo(chosen) - 1];
  return (
    <div class="raw">
      <div ref={box} class="raw-list" tabIndex={0} role="region" aria-label="Log">
        <div style={{ height: `${count * LINE_PX}px`, paddingTop: `${first * LINE_PX}px` }}>
          {lines.map((entry) => <button key={entry.seq} class="raw-line" aria-pressed={entry.seq === chosen} onClick={() => choose(entry.seq)}>{line(entry)}</button>)}
        </div>
      </div>
      {detail && <pre class="raw-detail" tabIndex={0}>{JSON.stringify(detail, null, 2)}</pre>}
    </div>
  );
}

/** Says so where a log is longer than what the page keeps of it. */
export function CutNote({ session }: { session: RunSession }) {
  const { lastSeq } = session.live.value; // drawn again as the log grows
  const { dropped, entries } = session.log;
  if (dropped === 0) return null;
  const threadId = session.record.value?.thread_id;
  return (
    <p class="cut" role="note">
      This view and the replay hold the first {entries.length.toLocaleString()} of {lastSeq.toLocaleString()} entries; what is shown of the run holds all of them.{" "}
      {threadId && <a href={exportHref(threadId, "json")} download="">Download the whole log</a>}
    </p>
  );
}

function line(entry: Entry): string {
  const word = entry.type === "state" ? entry.data.status : entry.data.type;
  const time = new Date(entry.ts_ms).toISOString().slice(11, 23);
  return `${String(entry.seq).padStart(6)}  ${time}  ${word}  ${JSON.stringify(entry.data).slice(0, 240)}`;
}
