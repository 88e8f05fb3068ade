/**
 * Work on one item at a time, always the newest: what comes meanwhile waits in a slot for one, and the latest stays there.
 *
 * So a slow reader falls behind by one item and never builds up a backlog. Pure.
 */
export class Newest<T> {
  private waiting: T | null = null;
  private busy = false;

  /** `work` is called for one item after the other; what it rejects with goes to `failed`, and the next one is taken. */
  constructor(private readonly work: (item: T) => Promise<void>, private readonly failed: (error: unknown) => void) {}

  /** Hand over an item; one that still waits is dropped for it. */
  put(item: T): void {
    this.waiting = item;
    if (!this.busy) void this.run();
  }

  private async run(): Promise<void> {
    this.busy = true;
    while (this.waiting !== null) {
      const item = this.waiting;
      this.waiting = null;
      try {
        await this.work(item);
      } catch (error) {
        this.failed(error);
      }
    }
    this.busy = false;
  }
}
