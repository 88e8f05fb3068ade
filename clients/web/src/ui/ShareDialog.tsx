/** Makes read-only links to a run or its conversation, lists those that are out, and ends them. A chunk of its own. */

import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { describe } from "../app/api";
import type { RunSession } from "../app/run-session";
import { listShares, makeShare, revokeShare, type Share, type Target } from "../app/shares";
import { Icon } from "./Icon";

const LIVES: readonly (readonly [number, string])[] = [[3_600, "an hour"], [86_400, "a day"], [604_800, "a week"], [2_592_000, "30 days"]];
const DEFAULT_LIFE_S = 604_800;

export function ShareDialog({ session, onClose }: { session: RunSession; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const kind = useSignal<"run" | "thread">("run");
  const lifeS = useSignal(DEFAULT_LIFE_S);
  const link = useSignal("");
  const links = useSignal<readonly Share[]>([]);
  const wrong = useSignal("");
  const threadId = session.record.value?.thread_id;
  const targets: readonly Target[] = [{ run_id: session.runId }, ...(threadId ? [{ thread_id: threadId }] : [])];

  const doing = async (work: () => Promise<void>) => {
    wrong.value = "";
    try {
      await work();
      links.value = await listShares(targets);
    } catch (error) {
      wrong.value = describe(error);
    }
  };
  useEffect(() => {
    dialog.current?.showModal();
    void doing(() => Promise.resolve());
  }, []);
  const make = (event: Event) => {
    event.preventDefault();
    const target = kind.value === "thread" && threadId ? { thread_id: threadId } : { run_id: session.runId };
    void doing(async () => void (link.value = await makeShare(target, lifeS.value)));
  };
  return (
    <dialog ref={dialog} class="dialog share" aria-label="Share" onClose={onClose}>
      <h2>Share</h2>
      <p class="quiet">Whoever has the link can look, live and in replay, without signing in. They can change nothing.</p>
      <form class="share-form" onSubmit={make}>
        <label>What<select value={kind.value} onChange={(event) => (kind.value = event.currentTarget.value as "run" | "thread")}>
          <option value="run">This run</option>
          {threadId && <option value="thread">The whole conversation, later runs too</option>}
        </select></label>
        <label>For<select value={lifeS.value} onChange={(event) => (lifeS.value = Number(event.currentTarget.value))}>
          {LIVES.map(([seconds, words]) => <option key={seconds} value={seconds}>{words}</option>)}
        </select></label>
        <button class="button primary" type="submit">Make a link</button>
      </form>
      {link.value && <Made link={link.value} />}
      {wrong.value && <p class="problem" role="alert">{wrong.value}</p>}
      {links.value.length > 0 && (
        <ul class="share-list" aria-label="Links that are out">
          {links.value.map((share) => (
            <li key={share.id}>
              <span>{share.run_id ? "This run" : "The conversation"} <small>until {new Date(share.expires_ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}</small></span>
              <button class="button small danger" onClick={() => void doing(() => revokeShare(share.id))}>Revoke</button>
            </li>
          ))}
        </ul>
      )}
      <form method="dialog"><button class="button">Close</button></form>
    </dialog>
  );
}

/** A new link, shown this once. */
function Made({ link }: { link: string }) {
  const copied = useSignal(false);
  const field = useRef<HTMLInputElement>(null);
  const copy = async () => {
    field.current?.select();
    await navigator.clipboard?.writeText(link);
    copied.value = true;
  };
  return (
    <div class="share-made" role="status">
      <input ref={field} readOnly aria-label="The link" value={link} onFocus={(event) => event.currentTarget.select()} />
      <button class="button" onClick={() => void copy()}><Icon name={copied.value ? "check" : "link"} />{copied.value ? "Copied" : "Copy"}</button>
      <small class="quiet">It is shown this once.</small>
    </div>
  );
}
