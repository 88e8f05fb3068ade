/** What a run asks: a form made from the question's schema, or an approval; and, once it is settled, who answered what. */

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { me, open, respond } from "../app/store";
import { visit } from "../app/visit";
import { AnswerError, fieldsOf, payloadOf, settledWords, type Field } from "../core/question";
import type { RequestItem } from "../core/view";
import { Icon } from "./Icon";

export function RequestCard({ item, past }: { item: RequestItem; past: boolean }) {
  const session = open.value;
  const asks = item.tool ? `May the agent use ${item.tool.name}?` : "The agent asks";
  if (item.end) {
    const { payload } = item.end;
    return (
      <div class="card settled">
        <strong>{item.prompt || asks}</strong>
        <p class="quiet"><Icon name={item.end.status === "answered" ? "check" : "dash"} />{settledWords(item.end, me.value.user)}</p>
        {payload !== undefined && <pre class="fold-code">{asLines(payload)}</pre>}
      </div>
    );
  }
  const live = session !== null && !past && !visit.value && session.replay.value === null && session.live.value.terminal === null;
  return (
    <div class="card ask">
      <strong>{asks}</strong>
      {item.prompt && <p>{item.prompt}</p>}
      {item.tool && <pre class="fold-code">{asLines(item.tool.args)}</pre>}
      {live && session && (item.tool ? <Approval runId={session.runId} item={item} /> : <Answer runId={session.runId} item={item} />)}
    </div>
  );
}

/** One answer at a time; what went wrong stands below the form until the next try. */
function useAnswer(runId: string, requestId: string) {
  const busy = useSignal(false);
  const wrong = useSignal("");
  const send = async (payload: () => unknown) => {
    try {
      const made = payload();
      busy.value = true;
      wrong.value = await respond(runId, requestId, made);
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      wrong.value = error.message;
    } finally {
      busy.value = false;
    }
  };
  return { busy: busy.value, wrong: wrong.value, send };
}

interface Props {
  readonly runId: string;
  readonly item: RequestItem;
}

function Answer({ runId, item }: Props) {
  const fields = useMemo(() => fieldsOf(item.schema), [item.schema]);
  const values = useSignal<Readonly<Record<string, string>>>({});
  const answer = useAnswer(runId, item.id);
  const submit = (event: Event) => {
    event.preventDefault();
    void answer.send(() => payloadOf(fields, values.value));
  };
  return (
    <form class="answer" onSubmit={submit}>
      {fields.map((field) => (
        <Input key={field.name} id={`${item.id}-${field.name}`} field={field} value={values.value[field.name] ?? field.preset}
          onChange={(written) => (values.value = { ...values.value, [field.name]: written })} />
      ))}
      <div class="answer-foot"><button class="button primary" type="submit" disabled={answer.busy}>Answer</button></div>
      {answer.wrong && <p class="problem" role="alert">{answer.wrong}</p>}
    </form>
  );
}

function Approval({ runId, item }: Props) {
  const comment = useSignal("");
  const answer = useAnswer(runId, item.id);
  const decide = (approved: boolean) => void answer.send(() => ({ approved, ...(comment.value.trim() ? { comment: comment.value.trim() } : {}) }));
  return (
    <div class="answer">
      <label for={`${item.id}-comment`}>Comment, if you like</label>
      <input id={`${item.id}-comment`} value={comment.value} onInput={(event) => (comment.value = event.currentTarget.value)} />
      <div class="answer-foot">
        <button class="button primary" disabled={answer.busy} onClick={() => decide(true)}>Approve</button>
        <button class="button danger" disabled={answer.busy} onClick={() => decide(false)}>Refuse</button>
      </div>
      {answer.wrong && <p class="problem" role="alert">{answer.wrong}</p>}
    </div>
  );
}

interface InputProps {
  readonly id: string;
  readonly field: Field;
  readonly value: string;
  readonly onChange: (written: string) => void;
}

function Input({ id, field, value, onChange }: InputProps) {
  const { kind, label, help, required, choices } = field;
  if (kind === "yes_no") {
    return <label class="tick"><input id={id} type="checkbox" checked={value === "true"} onChange={(event) => onChange(String(event.currentTarget.checked))} />{label || "Yes"}{help && <small>{help}</small>}</label>;
  }
  return (
    <>
      <label for={id}>{label || "Your answer"}{required || label === "" ? "" : " (optional)"}{help && <small>{help}</small>}</label>
      {kind === "choice" ? (
        <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
          <option value="">Choose…</option>
          {choices.map((choice) => <option key={choice} value={choice}>{choice}</option>)}
        </select>
      ) : kind === "json" ? (
        <textarea id={id} class="code" rows={4} spellcheck={false} placeholder="JSON" value={value} onInput={(event) => onChange(event.currentTarget.value)} />
      ) : (
        <input id={id} inputMode={kind === "number" ? "decimal" : undefined} value={value} onInput={(event) => onChange(event.currentTarget.value)} />
      )}
    </>
  );
}

function asLines(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "");
}
