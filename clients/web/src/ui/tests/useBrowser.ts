/** The browser configuration that a test is run with: which one is chosen, and what stands in its fields. */

import { useSignal, type Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError, describe } from "../../app/api";
import * as tests from "../../app/tests-api";
import { optionsOf, textsOf, type OptionTexts } from "./BrowserFields";

/** In place of an id: the test's own configuration, which comes with it; and one that is still to be made. */
export const OWN = "(own)";
export const NEW = "(new)";

export interface BrowserChoice {
  readonly configs: Signal<readonly tests.BrowserConfig[]>;
  readonly chosen: Signal<string>;
  readonly name: Signal<string>;
  readonly texts: Signal<OptionTexts>;
  readonly isChanged: () => boolean;
  /** Save what has changed; returns the id of the configuration to run with, or null once `refused` was told why. */
  readonly save: (own: string, refused: (why: string) => void) => Promise<string | null>;
  readonly choose: (id: string) => void;
}

export function useBrowser(testId: string | null): BrowserChoice {
  const configs = useSignal<readonly tests.BrowserConfig[]>([]);
  const chosen = useSignal(OWN);
  const name = useSignal("");
  const texts = useSignal(textsOf({}));
  const find = (id: string) => configs.value.find((config) => config.id === (id === OWN ? `${testId}_default` : id));
  const choose = (id: string) => {
    chosen.value = id;
    texts.value = textsOf(find(id)?.options ?? {});
  };
  useEffect(() => {
    tests.listConfigs().then(
      (found) => {
        configs.value = found.filter((config) => config.id === `${testId}_default` || !config.id.endsWith("_default"));
        choose(chosen.value);
      },
      () => (configs.value = []), // a test can be written without them; what runs it says what is wrong
    );
  }, [testId]);
  const isChanged = () => chosen.value === NEW || JSON.stringify(texts.value) !== JSON.stringify(textsOf(find(chosen.value)?.options ?? {}));

  const store = async (own: string): Promise<tests.BrowserConfig> => {
    const before = find(chosen.value);
    const options = optionsOf(before?.options ?? {}, texts.value);
    if (chosen.value === NEW) return tests.createConfig(name.value.trim() || "Browser", options);
    return tests.changeConfig(before ?? { id: own, version: 1 }, options); // that of a test which was made just now
  };
  const save = async (own: string, refused: (why: string) => void): Promise<string | null> => {
    if (!isChanged()) return chosen.value === OWN ? own : chosen.value;
    try {
      const stored = await store(own);
      configs.value = [...configs.value.filter((config) => config.id !== stored.id), stored];
      choose(stored.id === own ? OWN : stored.id);
      return stored.id;
    } catch (error) {
      refused(error instanceof ApiError && error.status === 409 ? "The browser configuration was changed meanwhile; open the test again." : describe(error));
      return null;
    }
  };
  return { configs, chosen, name, texts, isChanged, save, choose };
}
