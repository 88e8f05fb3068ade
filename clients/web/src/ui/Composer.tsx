/** The box: an agent, what it is to do, and the button that starts it. */

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { exampleInput, InputError, inputKind, readInput } from "../core/agent-input";
import type { Agent } from "../app/api";
import { startRun } from "../app/store";
import { Icon } from "./Icon";

interface Props {
  readonly agent: Agent;
  readonly threadId?: string | undefined;
  readonly placeholder?: string;
  readonly autoFocus?: boolean;
  /** Set while a run works: what Enter and Ctrl+Enter do then. Each returns what became of it, "" for nothing to say. */
  readonly meanwhile?: Meanwhile | undefined;
}

export interface Meanwhile {
  readonly queue: (text: string) => Promise<string>;
  readonly steer: (text: string) => Promise<string>;
}

type Yaml = typeof import("../app/yaml");

export function Composer({ agent, threadId, placeholder, autoFocus = false, meanwhile }: Props) {
  const kind = inputKind(agent.input_schema);
  const text = useSignal("");
  const wrong = useSignal("");
  const note = useSignal("");
  const yaml = useRef<Yaml | null>(null);
  const box = useRef<HTMLTextAreaElement>(null);
  const usable = agent.available !== false;

  // Before anybody can type: an effect that ran later would wipe what was typed since the agent was chosen.
  useLayoutEffect(() => {
    wrong.value = "";
    text.value = "";
    if (autoFocus) box.current?.focus({ preventScroll: true });
    if (kind === "text") return;
    let current = true;
    void import("../app/yaml").then((loaded) => {
      yaml.current = loaded;
      const example = exampleInput(agent.input_schema);
      if (current && text.value === "") text.value = example === undefined ? "" : loaded.stringify(example, { lineWidth: 0 });
    });
    return () => void (current = false);
  }, [agent.name]);

  useEffect(() => {
    const area = box.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 2, window.innerHeight * 0.45)}px`;
  }, [text.value]);

  const sendMeanwhile = async (send: (words: string) => Promise<string>) => {
    const words = text.value;
    if (words.trim() === "") return;
    text.value = "";
    note.value = await send(words);
  };
  const submit = async () => {
    if (meanwhile) return sendMeanwhile(meanwhile.queue);
    try {
      const input = readInput(text.value, kind, (source) => (yaml.current ? (yaml.current.parse(source) as unknown) : JSON.parse(source)));
      wrong.value = "";
      text.value = kind === "text" ? "" : text.value;
      await startRun(agent.name, input, threadId);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      wrong.value = error.message;
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.isComposing) return;
    if (meanwhile && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      return void sendMeanwhile(meanwhile.steer);
    }
    const wanted = kind === "text" ? !event.shiftKey : event.ctrlKey || event.metaKey;
    if (!wanted) return;
    event.preventDefault();
    void submit();
  };
  return (
    <form class="composer" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
      <textarea ref={box} class={kind === "object" ? "code" : ""} rows={kind === "object" ? 8 : 1} spellcheck={kind === "text"} disabled={!usable}
        aria-label={kind === "text" ? `Message for ${agent.name}` : `Input for ${agent.name}, as YAML or JSON`}
        placeholder={placeholder ?? (kind === "text" ? `Message ${agent.name}` : "name: value")} value={text.value}
        onInput={(event) => (text.value = event.currentTarget.value)} onKeyDown={onKeyDown} />
      <div class="composer-foot">
        <span class="quiet" role={meanwhile ? "status" : undefined}>{meanwhile ? note.value || "Enter queues it behind this run, Ctrl+Enter tells the agent now" : kind === "text" ? "Enter starts, Shift+Enter breaks the line" : "YAML or JSON. Ctrl+Enter starts"}</span>
        <button class="button primary round" type="submit" disabled={!usable || text.value.trim() === ""} aria-label={meanwhile ? "Queue it" : "Start the run"} title={meanwhile ? "Queue it" : "Start the run"}><Icon name="up" /></button>
      </div>
      {wrong.value && <p class="problem" role="alert">{wrong.value}</p>}
      {!usable && <p class="problem">{agent.unavailable_reason ?? "This agent is not available now."}</p>}
    </form>
  );
}
