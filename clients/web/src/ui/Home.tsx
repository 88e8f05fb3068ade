/** The first page: choose an agent and say what it is to do. */

import { inputKind } from "../core/agent-input";
import { agents } from "../app/store";
import { keep, lastAgent } from "./chrome";
import { Composer } from "./Composer";

export function Home() {
  const list = agents.value;
  const usable = list.filter((agent) => agent.available !== false);
  // The last one used here; for a newcomer one that takes plain words.
  const chosen = list.find((agent) => agent.name === lastAgent.value) ?? usable.find((agent) => inputKind(agent.input_schema) === "text") ?? usable[0] ?? list[0];
  const choose = (name: string) => {
    lastAgent.value = name;
    keep("runwire.agent", name);
  };
  if (!chosen) return <main class="home"><p class="quiet">This server has no agents. Register one with <code>runwire serve --agents module:attribute</code>.</p></main>;
  return (
    <main class="home">
      <h1>What should run?</h1>
      <Composer agent={chosen} autoFocus />
      <fieldset class="agents">
        <legend>Agent</legend>
        {list.map((agent) => (
          <label key={agent.name} class={agent.available === false ? "agent off" : "agent"}>
            <input type="radio" name="agent" value={agent.name} checked={agent === chosen} onChange={() => choose(agent.name)} />
            <strong>{agent.name}</strong>
            <span>{agent.available === false ? (agent.unavailable_reason ?? "Not available now.") : agent.description}</span>
          </label>
        ))}
      </fieldset>
    </main>
  );
}
