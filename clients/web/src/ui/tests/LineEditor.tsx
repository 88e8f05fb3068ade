/** A text area with numbered lines, in which what is wrong with a line stands behind it. */

import { useLayoutEffect, useRef } from "preact/hooks";
import type { Places } from "../../core/test-text";

interface Props {
  readonly id: string;
  readonly label: string;
  readonly help?: string;
  readonly value: string;
  readonly places: Places;
  readonly rows: number;
  readonly onChange: (value: string) => void;
}

export function LineEditor({ id, label, help, value, places, rows, onChange }: Props) {
  const area = useRef<HTMLTextAreaElement>(null);
  const mirror = useRef<HTMLDivElement>(null);
  const follow = () => {
    if (!area.current || !mirror.current) return;
    mirror.current.scrollTop = area.current.scrollTop;
    mirror.current.scrollLeft = area.current.scrollLeft;
  };
  useLayoutEffect(follow);
  const show = (line: number) => {
    const from = value.split("\n").slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    area.current?.focus();
    area.current?.setSelectionRange(from, from + (value.split("\n")[line - 1]?.length ?? 0));
  };
  return (
    <div class="field">
      <label for={id}>{label}{help && <small> {help}</small>}</label>
      <div class="lines">
        <div ref={mirror} class="lines-mirror" aria-hidden="true">
          {value.split("\n").map((text, index) => (
            <div key={index} class={places.has(index + 1) ? "line bad" : "line"}>
              <span class="line-text">{text}</span>
              {places.has(index + 1) && <span class="line-fault">{places.get(index + 1)}</span>}
            </div>
          ))}
        </div>
        <textarea ref={area} id={id} class="code" rows={Math.max(rows, Math.min(24, value.split("\n").length + 1))} wrap="off" spellcheck={false}
          aria-invalid={places.size > 0} aria-describedby={`${id}-faults`} value={value} onScroll={follow} onInput={(event) => onChange(event.currentTarget.value)} />
      </div>
      <ul id={`${id}-faults`} class="faults">
        {[...places].map(([line, message]) => <li key={line}><button type="button" title={message} onClick={() => show(Math.max(1, line))}>{line > 0 && <strong>Line {line}</strong>} {message}</button></li>)}
      </ul>
    </div>
  );
}
