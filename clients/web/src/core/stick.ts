/** When a transcript follows its end. Pure. */

/** Within this distance of the end, CSS pixels, moving towards it means following it. */
export const STICK_PX = 64;

/**
 * Return whether the end is followed after a scroll event.
 *
 * `moved` is the way since the last known position, `distance` what is left to the end, both in CSS pixels. Any step upwards
 * lets go, however small: a stream would else pull back a person who scrolls gently. Without a step upwards the end is never
 * let go: where it is far now, rows have grown. A list that became shorter moves up too, but then the end is reached.
 */
export function followsEnd(before: boolean, moved: number, distance: number): boolean {
  if (moved < 0) return distance <= 2 && before;
  return before || distance <= STICK_PX;
}
