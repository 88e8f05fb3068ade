/**
 * Heights of the rows of a long list, with sums in O(log n): which rows are to be seen, and where they stand.
 *
 * A Fenwick tree that can grow and be cut at its end. Pure data structure; knows no page. Heights are CSS pixels.
 */
export class HeightIndex {
  private heights = new Float64Array(64);
  private tree = new Float64Array(65);
  private count = 0;

  get length(): number {
    return this.count;
  }

  /** Append a row. */
  push(height: number): void {
    if (this.count === this.heights.length) this.grow();
    this.heights[this.count] = height;
    const node = ++this.count;
    let sum = height;
    const low = node & -node;
    for (let step = 1; step < low; step <<= 1) sum += this.tree[node - step] ?? 0;
    this.tree[node] = sum;
  }

  /** Cut the list to its first `length` rows. */
  truncate(length: number): void {
    this.count = Math.min(this.count, length);
  }

  get(position: number): number {
    return position < this.count ? (this.heights[position] ?? 0) : 0;
  }

  /** Change the height of a row; returns the difference. */
  set(position: number, height: number): number {
    const difference = height - this.get(position);
    if (position >= this.count || difference === 0) return 0;
    this.heights[position] = height;
    for (let node = position + 1; node <= this.count; node += node & -node) this.tree[node] = (this.tree[node] ?? 0) + difference;
    return difference;
  }

  /** Return where row `position` begins: the sum of all heights before it. */
  offset(position: number): number {
    let sum = 0;
    for (let node = Math.min(position, this.count); node > 0; node -= node & -node) sum += this.tree[node] ?? 0;
    return sum;
  }

  get total(): number {
    return this.offset(this.count);
  }

  /** Return the row that contains `y`; the first for a negative `y`, the last for one behind the end. */
  find(y: number): number {
    let node = 0;
    let rest = y;
    for (let step = 1 << Math.floor(Math.log2(Math.max(1, this.count))); step > 0; step >>= 1) {
      const next = node + step;
      const sum = this.tree[next] ?? 0;
      if (next <= this.count && sum <= rest) {
        node = next;
        rest -= sum;
      }
    }
    return Math.max(0, Math.min(node, this.count - 1));
  }

  private grow(): void {
    const heights = new Float64Array(this.heights.length * 2);
    heights.set(this.heights);
    const tree = new Float64Array(heights.length + 1);
    tree.set(this.tree);
    this.heights = heights;
    this.tree = tree;
  }
}
