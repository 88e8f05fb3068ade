"""What ``bench.page`` runs inside the page: recorders of frames and paints, and a reader of all that is shown."""

from __future__ import annotations

from typing import Final

FRAMES: Final = """
window.frames_ = {
  begin() {
    const found = (this.found = { gaps: [], long: 0, spoken: 0, at: performance.now(), live: true });
    let before = 0;
    const frame = (now) => {
      if (!found.live) return;
      if (before) found.gaps.push(now - before);
      before = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    this.tasks = new PerformanceObserver((list) => { found.long += list.getEntries().length; });
    this.tasks.observe({ type: 'longtask' });
    this.voice = new MutationObserver((changes) => { found.spoken += changes.length; });
    for (const line of document.querySelectorAll('[aria-live], [role=status], [role=alert]')) {
      this.voice.observe(line, { characterData: true, childList: true, subtree: true });
    }
  },
  end() {
    const { found } = this;
    found.live = false;
    found.long += this.tasks.takeRecords().length;
    found.spoken += this.voice.takeRecords().length;
    this.tasks.disconnect();
    this.voice.disconnect();
    const sorted = found.gaps.toSorted((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    return {
      p50_ms: at(0.5), p95_ms: at(0.95), max_ms: at(1), frames: sorted.length, long_tasks: found.long,
      announcements: found.spoken, seconds: (performance.now() - found.at) / 1000,
    };
  },
};
"""
"""Defines ``window.frames_`` with ``begin()`` and ``end()``, which returns gaps between frames in ms and counts."""

PAINT: Final = """
window.painted_ = {};
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.name === 'first-contentful-paint') window.painted_.first_ms = entry.startTime;
  }
}).observe({ type: 'paint', buffered: true });
const note = (name, selector) => {
  if (window.painted_[name] !== undefined || !document.querySelector(selector)) return;
  window.painted_[name] = 0;
  // The page draws at the beginning of a frame: the next one begins once this one is painted.
  requestAnimationFrame(() => { window.painted_[name] = performance.now(); });
};
new MutationObserver(() => {
  note('rows_ms', '.rows > .row');
  note('end_ms', '.outcome');
}).observe(document, { childList: true, subtree: true });
"""
"""Defines ``window.painted_``: milliseconds from the navigation to the first paint, the first rows, the run's end."""

ALL_TEXT: Final = """async () => {
  const box = document.querySelector('.transcript');
  const rows = new Map();
  const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  for (let top = 0; ; top += box.clientHeight / 2) {
    box.scrollTop = top;
    await drawn();
    for (const row of document.querySelectorAll('.rows > .row')) rows.set(Number(row.dataset.row), row.innerText);
    if (top > box.scrollHeight) break;
  }
  return [...rows].sort((a, b) => a[0] - b[0]).map((row) => row[1]).join(' ');
}"""
"""Returns the text of all rows, by scrolling through them: the page draws a window of them only."""
