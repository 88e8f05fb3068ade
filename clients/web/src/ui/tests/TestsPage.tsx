/** The saved tests, and one of them; a chunk of its own. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { describe } from "../../app/api";
import { route, testHref } from "../../app/router";
import { now } from "../../app/store";
import { listTests, type Heading } from "../../app/tests-api";
import { ago } from "../../core/format";
import { Icon } from "../Icon";
import { TestEditor } from "./TestEditor";

export function TestsPage() {
  const to = route.value;
  useEffect(() => {
    document.title = "Tests · Runwire";
    return () => void (document.title = "Runwire");
  }, []);
  if (to.page === "test") return <TestEditor key={to.testId} testId={to.testId} runId={null} />;
  if (to.page === "new_test") return <TestEditor key={`new ${to.runId}`} testId={null} runId={to.runId} />;
  return <TestList />;
}

function TestList() {
  const found = useSignal<readonly Heading[] | null>(null);
  const next = useSignal<string | null>("");
  const problem = useSignal("");
  const more = async () => {
    try {
      const page = await listTests(next.value ?? "");
      found.value = [...(found.value ?? []), ...page.data];
      next.value = page.next;
    } catch (error) {
      problem.value = describe(error);
    }
  };
  useEffect(() => void more(), []);
  return (
    <main class="tests">
      <div class="section-head">
        <h1>Tests</h1>
        <span class="quiet">Browser tests in plain sentences, kept with their versions</span>
        <a class="button primary" href="#/new-test"><Icon name="plus" />New test</a>
      </div>
      {problem.value && <p class="problem" role="alert">{problem.value}</p>}
      {found.value === null && !problem.value && <p class="quiet">Loading…</p>}
      {found.value?.length === 0 && <p class="quiet">No test is saved yet. A finished run of a browser test can be saved as one too.</p>}
      <div>
        {found.value?.map((test) => (
          <a key={test.id} class="test-row" href={testHref(test.id)}><strong>{test.name}</strong><small>{test.id} · version {test.version} · {ago(test.created_ms, now.value)}</small></a>
        ))}
      </div>
      {found.value !== null && next.value && <button class="button" onClick={() => void more()}>Show more</button>}
    </main>
  );
}
