/** A calm word when the connection is lost, and what some action could not do. */

import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { connection, problem, reconnect, trouble } from "../app/store";
import { Icon } from "./Icon";

/** How long "Live again" stays, milliseconds. */
const AGAIN_MS = 2_500;

export function Banner() {
  const again = useSignal(false);
  const lost = trouble.value;
  useEffect(() => {
    if (!lost) return;
    again.value = false;
    return () => {
      again.value = true;
      setTimeout(() => (again.value = false), AGAIN_MS);
    };
  }, [lost !== null]);
  if (lost) {
    const stopped = connection.value === "stopped";
    return (
      <div class="banner" role="status">
        <span class="pulse" />
        <span>{stopped ? `Disconnected: ${lost.meaning}.` : `Reconnecting: ${lost.meaning}. Runs go on, and nothing is lost.`}</span>
        <button class="button small" onClick={reconnect}>Try now</button>
      </div>
    );
  }
  return again.value ? <div class="banner good" role="status"><Icon name="check" />Live again</div> : null;
}

export function Problem() {
  if (problem.value === null) return null;
  return (
    <div class="banner bad" role="alert">
      <Icon name="alert" /><span>{problem.value}</span>
      <button class="button small" onClick={() => (problem.value = null)}>Close</button>
    </div>
  );
}
