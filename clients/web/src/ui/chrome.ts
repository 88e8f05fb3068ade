/** Small state of the page's frame: theme, side list, help; kept across visits where that makes sense. */

import { effect, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";
const THEMES: readonly Theme[] = ["auto", "light", "dark"];
const THEME_KEY = "runwire.theme";

/** Read a kept preference; null if there is none. */
export function stored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage is switched off: the page works, it only forgets
  }
}

/** Keep a preference; without storage it holds until the page is left. */
export function keep(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage is switched off or full; a preference is not worth a word.
  }
}

export const theme = signal<Theme>(THEMES.find((name) => name === stored(THEME_KEY)) ?? "auto");
export const navShown = signal(false);
export const helpShown = signal(false);
export const lastAgent = signal(stored("runwire.agent") ?? "");

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
});

export function cycleTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "auto";
  keep(THEME_KEY, theme.value);
}
