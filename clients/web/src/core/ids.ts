/** Ids that this page makes: run ids (protocol L7) are chosen before the run starts, and are its idempotency key. Pure. */

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const ALPHABET = LETTERS + "0123456789";
export const RUN_ID_LENGTH = 24;

/** Whether `text` may be a run id: `[a-z0-9]{8,64}`. */
export function isRunId(text: string): boolean {
  return /^[a-z0-9]{8,64}$/.test(text);
}

/**
 * Return a new run id of 24 characters, the first a letter.
 *
 * `randomBytes(n)` returns n random bytes. Bytes of 252 and above are thrown away: 252 is the largest multiple of 36 in a
 * byte, so the rest is evenly spread.
 */
export function newRunId(randomBytes: (count: number) => Uint8Array = systemRandom): string {
  let id = LETTERS[(randomBytes(1)[0] ?? 0) % LETTERS.length] ?? "r";
  while (id.length < RUN_ID_LENGTH) {
    for (const byte of randomBytes(RUN_ID_LENGTH)) {
      if (byte < 252 && id.length < RUN_ID_LENGTH) id += ALPHABET[byte % ALPHABET.length];
    }
  }
  return id;
}

function systemRandom(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}
