/**
 * One test that is being written: its text, checked by the server while one writes, saved as versions, and run. Signals out,
 * functions in.
 *
 * What is written and not saved is kept while the page is open, so that a look at a run loses nothing.
 */

import { batch, signal } from "@preact/signals";
import { systemClock, type Cancel } from "../core/clock";
import { EMPTY_FORM, inputText, toForm, toText, type Fault, type TestForm, type Yaml } from "../core/test-text";
import * as api from "./api";
import * as tests from "./tests-api";

/** Pause in writing after which a test is checked, milliseconds. */
const CHECK_AFTER_MS = 250;

const FIRST: TestForm = { ...EMPTY_FORM, name: "My test", url: "/samples/shop/index.html", steps: 'Click link "Blue mug"\nVerify text "Add to cart"' };

/** Texts that are not saved yet, by the draft's name. */
const unsaved = new Map<string, string>();

export class TestDraft {
  readonly text = signal("");
  /** Null while the test is edited as text. */
  readonly form = signal<TestForm | null>(null);
  readonly faults = signal<readonly Fault[]>([]);
  /** Whether what is written now was checked. */
  readonly checked = signal(false);
  readonly saved = signal<tests.SavedTest | null>(null);
  readonly versions = signal<readonly tests.Heading[]>([]);
  readonly runs = signal<readonly tests.TestRun[]>([]);
  /** Why the last thing asked for was not done; "" if it was. */
  readonly problem = signal("");
  readonly busy = signal(false);
  readonly loading = signal(true);

  private savedText = "";
  private cancelCheck: Cancel = () => undefined;
  private checks = 0;

  /** `key` names the draft among those that are not saved. */
  constructor(private readonly key: string, private readonly yaml: Yaml) {}

  get isChanged(): boolean {
    return this.text.value !== this.savedText;
  }

  /** Begin with a saved test. */
  async open(testId: string): Promise<void> {
    await this.trying(async () => {
      this.take(await tests.readTest(testId));
      this.begin(unsaved.get(this.key) ?? this.savedText);
      await this.look(testId);
    });
    this.loading.value = false;
  }

  /** Begin with a new test: what a run was given, or an example. */
  async make(runId: string | null): Promise<void> {
    await this.trying(async () => {
      const text = runId === null ? toText(FIRST).text : inputText((await api.run(runId)).input, this.yaml);
      this.begin(unsaved.get(this.key) ?? text);
    });
    this.loading.value = false;
  }

  close(): void {
    this.cancelCheck();
    this.checks += 1;
  }

  setForm(change: Partial<TestForm>): void {
    const form = { ...(this.form.peek() ?? EMPTY_FORM), ...change };
    batch(() => {
      this.form.value = form;
      this.write(toText(form).text);
    });
  }

  setText(text: string): void {
    this.write(text);
  }

  /** Edit as text, or as a form again; false if this text fits no form. */
  switchForm(): boolean {
    const form = this.form.value ? null : toForm(this.text.value, this.yaml);
    const can = this.form.value !== null || form !== null;
    this.form.value = form;
    return can;
  }

  /** Save as a new test or as the next version; returns the test, or null if it was refused. */
  save(newId: string): Promise<tests.SavedTest | null> {
    return this.trying(async () => {
      const before = this.saved.peek();
      const text = this.text.peek();
      const saved = before ? await this.saveVersion(before, text) : await tests.createTest(newId, text);
      unsaved.delete(this.key);
      this.take(saved);
      this.versions.value = await tests.listVersions(saved.id);
      return saved;
    });
  }

  /** Run the saved test; returns the run's id, or null if it was refused. */
  run(config: string): Promise<string | null> {
    return this.trying(async () => (this.saved.value ? await tests.execute(this.saved.value.id, config) : null));
  }

  /** Delete it with its versions; false if it was refused. */
  async remove(): Promise<boolean> {
    const { value: saved } = this.saved;
    const done = await this.trying(async () => {
      if (saved) await tests.deleteTest(saved.id);
      unsaved.delete(this.key);
      return true;
    });
    return done ?? false;
  }

  /** Put an older version's text in place of what is written; saving makes it the newest. */
  async restore(version: number): Promise<void> {
    const { value: saved } = this.saved;
    if (!saved) return;
    await this.trying(async () => {
      const text = this.textOf(await tests.readVersion(saved.id, version));
      this.begin(text);
      this.write(text);
    });
  }

  private async saveVersion(before: tests.SavedTest, text: string): Promise<tests.SavedTest> {
    try {
      return await tests.changeTest(before.id, text, before.version);
    } catch (error) {
      if (!(error instanceof api.ApiError && error.status === 409)) throw error;
      const newest = await tests.readTest(before.id);
      this.saved.value = newest;
      throw new api.ApiError(409, error.code, `Version ${newest.version} was saved meanwhile, not by this page. Save again to put yours on top of it.`);
    }
  }

  private async look(testId: string): Promise<void> {
    [this.versions.value, this.runs.value] = await Promise.all([tests.listVersions(testId), tests.listRuns(testId)]);
  }

  private take(saved: tests.SavedTest): void {
    this.savedText = this.textOf(saved);
    this.saved.value = saved;
  }

  private textOf(saved: tests.SavedTest): string {
    return saved.text ?? inputText(saved.test, this.yaml);
  }

  /** Show a text, as a form if it fits one. */
  private begin(text: string): void {
    batch(() => {
      this.text.value = text;
      this.form.value = toForm(text, this.yaml);
    });
    this.checkSoon();
  }

  private write(text: string): void {
    this.text.value = text;
    if (text === this.savedText) unsaved.delete(this.key);
    else unsaved.set(this.key, text);
    this.checkSoon();
  }

  private checkSoon(): void {
    this.checked.value = false;
    this.cancelCheck();
    this.cancelCheck = systemClock.after(CHECK_AFTER_MS, () => void this.check());
  }

  private async check(): Promise<void> {
    const mine = ++this.checks;
    try {
      const { faults } = await tests.checkTest(this.text.value);
      if (mine !== this.checks) return;
      batch(() => {
        this.faults.value = faults;
        this.checked.value = true;
      });
    } catch (error) {
      if (mine === this.checks) this.problem.value = `The test could not be checked. ${api.describe(error)}`;
    }
  }

  private async trying<T>(work: () => Promise<T>): Promise<T | null> {
    batch(() => {
      this.busy.value = true;
      this.problem.value = "";
    });
    try {
      return await work();
    } catch (error) {
      this.problem.value = api.describe(error);
      return null;
    } finally {
      this.busy.value = false;
    }
  }
}
