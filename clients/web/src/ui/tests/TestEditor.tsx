/** One test: written as a form or as text, checked while one writes, saved as versions, run under a browser configuration. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { go, runHref, testHref } from "../../app/router";
import { now } from "../../app/store";
import { TestDraft } from "../../app/test-draft";
import { yaml11 } from "../../app/yaml";
import { ago } from "../../core/format";
import { placesInForm, placesInText, sentencesOf, slugOf, type TestForm } from "../../core/test-text";
import { Icon } from "../Icon";
import { StatusDot } from "../Status";
import { BrowserFields } from "./BrowserFields";
import { LineEditor } from "./LineEditor";
import { useBrowser } from "./useBrowser";

export function TestEditor({ testId, runId }: { testId: string | null; runId: string | null }) {
  const draft = useMemo(() => new TestDraft(testId ?? `new ${runId ?? ""}`, yaml11), [testId, runId]);
  const newId = useSignal("");
  const browser = useBrowser(testId);
  useEffect(() => {
    void (testId === null ? draft.make(runId) : draft.open(testId));
    return () => draft.close();
  }, [draft]);
  const form = draft.form.value;
  const saved = draft.saved.value;
  const suggested = slugOf(form?.name ?? "") || "test";
  const save = async (): Promise<string | null> => {
    const done = saved && !draft.isChanged ? saved : await draft.save(newId.value || suggested);
    const config = done && (await browser.save(done.default_browser_config, (why) => (draft.problem.value = why)));
    if (done && !saved) go(testHref(done.id));
    return config;
  };
  const run = async () => {
    const config = await save();
    const started = config && (await draft.run(config));
    if (started) go(runHref(started));
  };
  if (draft.loading.value) return <main class="tests"><p class="quiet">Loading…</p></main>;
  if (testId !== null && !saved) {
    return <main class="tests"><h1>No such test</h1><p class="problem" role="alert">{draft.problem.value}</p><p><a class="button" href="#/tests"><Icon name="left" />All tests</a></p></main>;
  }
  const hasNews = saved === null || draft.isChanged || browser.isChanged();
  const isSound = draft.checked.value && draft.faults.value.length === 0;
  return (
    <main class="tests">
      <div class="section-head">
        <a class="button icon-only" href="#/tests" aria-label="All tests" title="All tests"><Icon name="left" /></a>
        <h1>{saved ? saved.name : "New test"}</h1>
        <span class="quiet">{saved ? `${saved.id}, version ${saved.version}${draft.isChanged ? ", changed" : ""}` : ""}</span>
        <button class="button small" aria-pressed={form === null} onClick={() => draft.switchForm() || (draft.problem.value = "This text has comments, faults or a layout that the form would lose: it is edited as text.")}>YAML</button>
      </div>
      {form ? <FormFields draft={draft} form={form} /> : (
        <LineEditor id="test-text" label="Test" help="YAML or JSON" value={draft.text.value} places={placesInText(draft.faults.value)} rows={14} onChange={(text) => draft.setText(text)} />
      )}
      {!saved && (
        <label class="field">Id<small>in addresses and file names; small letters, digits, - and _</small>
          <input value={newId.value} placeholder={suggested} pattern="[a-z0-9][a-z0-9_\-]*" maxLength={64} onInput={(event) => (newId.value = event.currentTarget.value.trim())} />
        </label>
      )}
      <BrowserFields browser={browser} />
      <div class="test-foot">
        <button class="button primary" disabled={draft.busy.value || !isSound} onClick={() => void run()}><Icon name="play" />{hasNews ? "Save and run" : "Run"}</button>
        <button class="button" disabled={draft.busy.value || !isSound || !hasNews} onClick={() => void save()}><Icon name="save" />Save</button>
        <span class="quiet" role="status">{verdict(draft)}</span>
        {saved && <Delete draft={draft} />}
      </div>
      {draft.problem.value && <p class="problem" role="alert">{draft.problem.value}</p>}
      {saved && <History draft={draft} />}
    </main>
  );
}

function verdict(draft: TestDraft): string {
  if (!draft.checked.value) return "Checking…";
  const { length } = draft.faults.value;
  return length === 0 ? "The test is sound." : length === 1 ? "One thing must be mended first." : `${length} things must be mended first.`;
}

function FormFields({ draft, form }: { draft: TestDraft; form: TestForm }) {
  const places = placesInForm(draft.faults.value, form);
  const count = sentencesOf(form.steps).length;
  return (
    <>
      <div class="fields">
        <label class="field">Name<input maxLength={200} value={form.name} onInput={(event) => draft.setForm({ name: event.currentTarget.value })} /></label>
        <label class="field">Starts at<input value={form.url} placeholder="https://…" onInput={(event) => draft.setForm({ url: event.currentTarget.value })} /></label>
      </div>
      <LineEditor id="test-steps" label={`Steps (${count})`} help='one sentence a line, such as: Click "Add to cart"' value={form.steps} places={places.steps} rows={8} onChange={(steps) => draft.setForm({ steps })} />
      <details class="more" open={form.rest !== "" || places.rest.size > 0}>
        <summary>More settings</summary>
        <LineEditor id="test-rest" label="As YAML" help="timeout_s, retries, on_failure, variables, data, files, …" value={form.rest} places={places.rest} rows={3} onChange={(rest) => draft.setForm({ rest })} />
      </details>
      {places.other.map((message) => <p key={message} class="problem" role="alert">{message}</p>)}
    </>
  );
}

function Delete({ draft }: { draft: TestDraft }) {
  const asking = useSignal(false);
  if (!asking.value) return <button class="button danger" onClick={() => (asking.value = true)}>Delete</button>;
  const remove = async () => {
    if (await draft.remove()) go("#/tests");
  };
  return (
    <span class="sure" role="group" aria-label="Delete this test?">
      Delete it with its versions? Its runs stay.
      <button class="button small danger" onClick={() => void remove()}>Delete</button>
      <button class="button small" onClick={() => (asking.value = false)}>Keep</button>
    </span>
  );
}

function History({ draft }: { draft: TestDraft }) {
  const [newest, ...older] = draft.versions.value;
  return (
    <div class="fields">
      <section>
        <h2>Last runs</h2>
        {draft.runs.value.length === 0 && <p class="quiet">It was not run yet.</p>}
        {draft.runs.value.map((run) => (
          <a key={run.id} class="test-row" href={runHref(run.id)}><StatusDot status={run.current_state} verdict={run.verdict} /><span>{ago(run.created_ms, now.value)}</span><small>version {run.task_version ?? "?"}, {run.browser_config_id ?? "no configuration"}</small></a>
        ))}
      </section>
      <section>
        <h2>Versions</h2>
        {newest && <p class="test-row"><span>Version {newest.version}</span><small>{ago(newest.created_ms, now.value)}, the newest</small></p>}
        {older.slice(0, 10).map((each) => (
          <p key={each.version} class="test-row"><span>Version {each.version}</span><small>{ago(each.created_ms, now.value)}</small><button class="button small" onClick={() => void draft.restore(each.version)}>Take its text</button></p>
        ))}
      </section>
    </div>
  );
}
