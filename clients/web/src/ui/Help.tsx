/** The list of keys. */

import { useEffect, useRef } from "preact/hooks";
import { helpShown } from "./chrome";

const KEYS: readonly (readonly [string, string])[] = [
  ["Enter", "Start the run"], ["Shift+Enter", "New line"], ["Ctrl+Enter", "Tell the agent while it works"], ["Esc", "Stop the run"], ["Ctrl+K", "Search conversations"], ["N", "New run"],
  ["Esc Esc", "Leave a browser that you have taken over"], ["J / K", "Next or previous step"], ["R", "Replay a finished run"], ["Shift+R", "Retry a finished run"], ["Space", "Play or pause the replay"], ["← / →", "One entry back or on in the replay"], ["End", "Jump to the latest"], ["?", "This list"],
];

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (helpShown.value) dialog.current?.showModal();
  }, [helpShown.value]);
  if (!helpShown.value) return null;
  return (
    <dialog ref={dialog} class="dialog" aria-label="Keyboard" onClose={() => (helpShown.value = false)}>
      <h2>Keyboard</h2>
      <dl>{KEYS.map(([key, does]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{does}</dd></div>)}</dl>
      <form method="dialog"><button class="button primary">Close</button></form>
    </dialog>
  );
}
