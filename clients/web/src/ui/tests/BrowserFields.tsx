/** Which browser a test runs in: one of the saved configurations, and what that one says. */

import { agents } from "../../app/store";
import type { BrowserOptions } from "../../app/tests-api";
import { asObject, asText } from "../../core/agui";
import { TEST_AGENT } from "../../core/agent-input";
import { NEW, OWN, type BrowserChoice } from "./useBrowser";

/** The options of a configuration as texts, by field. */
export type OptionTexts = Readonly<Record<keyof typeof FIELDS, string>>;

const FIELDS = {
  device: "Device", width: "Width, px", height: "Height, px", locale: "Locale", timezone: "Time zone", color_scheme: "Colours", allow: "Hosts it may visit", http_auth: "HTTP secret", video: "Video",
} as const;
const HINTS: Partial<Record<keyof typeof FIELDS, string>> = { locale: "de-CH", timezone: "Europe/Zurich", allow: "any; or shop.example.org, …", http_auth: "name of a secret", width: "1280", height: "720" };

/** Return the texts that stand in the fields for these options. */
export function textsOf({ device, viewport, locale, timezone, color_scheme, allow, http_auth, video }: BrowserOptions): OptionTexts {
  return {
    device: device ?? "", width: viewport ? String(viewport.width) : "", height: viewport ? String(viewport.height) : "", locale: locale ?? "", timezone: timezone ?? "",
    color_scheme: color_scheme ?? "", allow: (allow ?? []).join(", "), http_auth: http_auth ?? "", video: video ?? "",
  };
}

/** Return the options that the fields mean; what has no field stays as it was. The server says what is wrong with them. */
export function optionsOf(before: BrowserOptions, texts: OptionTexts): BrowserOptions {
  const { width, height, allow, ...named } = texts;
  const hosts = allow.split(/[\s,]+/).filter(Boolean);
  const { device: _device, viewport: _viewport, locale: _locale, timezone: _timezone, color_scheme: _scheme, allow: _allow, http_auth: _auth, video: _video, ...others } = before;
  return {
    ...others, ...Object.fromEntries(Object.entries(named).map(([name, text]) => [name, text.trim()]).filter(([, text]) => text)),
    ...(width || height ? { viewport: { width: Number(width || 1280), height: Number(height || 720) } } : {}), ...(hosts.length > 0 ? { allow: hosts } : {}),
  };
}

export function BrowserFields({ browser }: { browser: BrowserChoice }) {
  const { configs, chosen, name, texts } = browser;
  const set = (field: keyof OptionTexts) => (event: { currentTarget: { value: string } }) => (texts.value = { ...texts.value, [field]: event.currentTarget.value });
  return (
    <fieldset class="browser-fields">
      <legend>Browser</legend>
      <label class="field wide">Configuration
        <select value={chosen.value} onChange={(event) => browser.choose(event.currentTarget.value)}>
          <option value={OWN}>This test's own</option>
          {configs.value.filter((config) => !config.id.endsWith("_default")).map((config) => <option key={config.id} value={config.id}>{config.name}</option>)}
          <option value={NEW}>New configuration…</option>
        </select>
      </label>
      {chosen.value === NEW && <label class="field wide">Its name<input maxLength={200} value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} /></label>}
      <label class="field">{FIELDS.device}
        <select value={texts.value.device} onChange={set("device")}>
          <option value="">As the test says</option>
          {devices().map((device) => <option key={device} value={device}>{device}</option>)}
        </select>
      </label>
      <label class="field">{FIELDS.color_scheme}
        <select value={texts.value.color_scheme} onChange={set("color_scheme")}>
          <option value="">As the test says</option><option value="light">Light</option><option value="dark">Dark</option>
        </select>
      </label>
      <label class="field">{FIELDS.video}
        <select value={texts.value.video} onChange={set("video")}>
          <option value="">As the test says</option><option value="on_failure">If it fails</option><option value="always">Always</option><option value="never">Never</option>
        </select>
      </label>
      {(["width", "height", "locale", "timezone", "allow", "http_auth"] as const).map((field) => (
        <label key={field} class="field">{FIELDS[field]}
          <input inputMode={field === "width" || field === "height" ? "numeric" : undefined} placeholder={HINTS[field]} value={texts.value[field]} onInput={set(field)} />
        </label>
      ))}
    </fieldset>
  );
}

/** The names of the devices that the server knows, as the agent's schema lists them. */
function devices(): readonly string[] {
  const schema = agents.value.find((agent) => agent.name === TEST_AGENT)?.input_schema;
  const browser = asObject(asObject(asObject(schema)["properties"])["browser"]);
  const known = asObject(asObject(browser["properties"])["device"])["enum"];
  return Array.isArray(known) ? known.map(asText).filter(Boolean) : [];
}
