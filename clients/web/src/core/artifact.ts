/** Artifacts as the log announces them; which of their addresses this page may load. Pure. */

import { asNumber, asObject, asText } from "./agui";
import type { Artifact } from "./view";

/**
 * Read the value of `CUSTOM runwire.artifact`; null if it has no id.
 *
 * The address must be an absolute path of this server below the run's own artifacts. Anything else (another origin, another
 * run, `javascript:`, `..`) becomes "", which is shown as a name and never loaded.
 */
export function artifactFrom(value: unknown, runId: string, seq: number): Artifact | null {
  const raw = asObject(value);
  const id = asText(raw["id"]);
  if (!id) return null;
  const url = asText(raw["url"]);
  const kind = asText(raw["kind"]) || "file";
  return {
    id, kind, seq, url: isOwnAddress(url, runId) ? url : "", name: asText(raw["name"]) || `${kind} ${id}`,
    mime: asText(raw["mime"]), bytes: asNumber(raw["bytes"]) ?? null,
  };
}

function isOwnAddress(url: string, runId: string): boolean {
  const prefix = `/v1/runs/${runId}/artifacts/`;
  return url.startsWith(prefix) && /^[A-Za-z0-9_.-]+$/.test(url.slice(prefix.length)) && !url.slice(prefix.length).startsWith(".");
}

const SHOWN: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/webp", "image/gif"]);

/** Whether the page shows this artifact as a picture. SVG is never shown: it is a document, not a picture. */
export function isPicture(artifact: Artifact): boolean {
  return artifact.url !== "" && SHOWN.has(artifact.mime);
}

/** Whether the page plays this artifact: the one form in which the server films runs. */
export function isVideo(artifact: Artifact): boolean {
  return artifact.url !== "" && artifact.kind === "video" && artifact.mime === "video/webm";
}
