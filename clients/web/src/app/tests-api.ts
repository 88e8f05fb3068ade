/** Saved tests, their browser configurations and their runs over HTTP. Every function raises ApiError or a network error. */

import type { RunStatus, Verdict } from "../core/protocol";
import type { Fault } from "../core/test-text";
import { request } from "./api";

export interface Heading {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly created_ms: number;
}
export interface SavedTest extends Heading {
  readonly default_browser_config: string;
  readonly test: unknown;
  /** What the test was given as, if it was a text. */
  readonly text: string | null;
}
/** `options` of a browser configuration, as far as this page has fields for them; it keeps the others. */
export interface BrowserOptions {
  readonly device?: string | null;
  readonly viewport?: { readonly width: number; readonly height: number } | null;
  readonly locale?: string | null;
  readonly timezone?: string | null;
  readonly color_scheme?: string | null;
  readonly allow?: readonly string[];
  readonly http_auth?: string | null;
  readonly video?: string | null;
}
export interface BrowserConfig extends Heading {
  readonly options: BrowserOptions;
}
export interface TestRun {
  readonly id: string;
  readonly current_state: RunStatus;
  readonly task_version: number | null;
  readonly browser_config_id: string | null;
  readonly created_ms: number;
  readonly verdict: Verdict | null;
}
interface Page<T> {
  readonly data: readonly T[];
  readonly next: string | null;
}
interface Checked {
  readonly ok: boolean;
  readonly name: string | null;
  readonly steps: number | null;
  readonly faults: readonly Fault[];
}

const answer = async <T>(...asked: Parameters<typeof request>): Promise<T> => (await (await request(...asked)).json()) as T;

export const listTests = (after: string) => answer<Page<Heading>>("GET", `/v1/tasks?limit=100${after ? `&after=${after}` : ""}`);
export const readTest = (id: string) => answer<SavedTest>("GET", `/v1/tasks/${id}`);
export const readVersion = (id: string, version: number) => answer<SavedTest>("GET", `/v1/tasks/${id}/versions/${version}`);
export const listVersions = async (id: string) => (await answer<Page<Heading>>("GET", `/v1/tasks/${id}/versions`)).data;
export const checkTest = (text: string) => answer<Checked>("POST", "/v1/tasks/check", { test: text });
export const createTest = (id: string, text: string) => answer<SavedTest>("POST", "/v1/tasks", { id, test: text });
/** Save the next version; ApiError with status 409 if `version` is not the newest any more. */
export const changeTest = (id: string, text: string, version: number) => answer<SavedTest>("PUT", `/v1/tasks/${id}`, { test: text, expected_version: version });
export const deleteTest = async (id: string) => void (await request("DELETE", `/v1/tasks/${id}`));

export const listConfigs = async () => (await answer<Page<BrowserConfig>>("GET", "/v1/browser-configs?limit=200")).data;
export const createConfig = (name: string, options: BrowserOptions) => answer<BrowserConfig>("POST", "/v1/browser-configs", { name, options });
export const changeConfig = (config: Pick<BrowserConfig, "id" | "version">, options: BrowserOptions) =>
  answer<BrowserConfig>("PUT", `/v1/browser-configs/${config.id}`, { options, expected_version: config.version });

/** Run a saved test, its newest version; returns the run's id. */
export const execute = async (id: string, config: string) => (await answer<{ id: string }>("POST", `/test-runs/execute-configuration/${id}/${config}`)).id;
export const listRuns = async (id: string) => (await answer<Page<TestRun>>("GET", `/test-runs?task_id=${id}&limit=8`)).data;
