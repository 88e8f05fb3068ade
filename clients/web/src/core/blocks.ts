/**
 * Cuts a growing markdown text into blocks: what is settled never changes again, only the last block is parsed anew.
 *
 * A block is what stands between blank lines outside a code fence; lists stay together. Long blocks are cut at a line, a list
 * item, a table row or a word, so that a transcript can show a few of them at a time. Pure.
 */

export interface Block {
  /** Offset of its first character in the text: stable, unique within the text. */
  readonly start: number;
  /** Markdown; may begin with a repeated fence or table head where a long block was cut. */
  readonly text: string;
}

export interface BlockState {
  readonly settled: readonly Block[];
  /** The block that may still grow; null if there is none. */
  readonly tail: Block | null;
  /** Offset behind the settled blocks. */
  readonly at: number;
  /** What the text behind `at` has to begin with because the block before it was cut. */
  readonly prefix: string;
}

/** A block that is cut beyond this many lines or characters: about two screens. */
const MAX_LINES = 40;
const MAX_CHARS = 6_000;

const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;
const ITEM = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$)/;
const CONTINUED = /^(?: {2,}|\t)/;

export const NO_BLOCKS: BlockState = { settled: [], tail: null, at: 0, prefix: "" };

/**
 * Return the blocks of `text`, which must begin with the text that `before` was made from.
 *
 * `open` says that more text may come; then the last block stays unsettled.
 */
export function splitBlocks(before: BlockState, text: string, open: boolean): BlockState {
  const added: Block[] = [];
  let at = before.at;
  let prefix = before.prefix;
  for (;;) {
    const cut = nextCut(text, at, prefix, open);
    if (cut === null) break;
    if (cut.text !== null) added.push({ start: at, text: prefix + cut.text });
    at = cut.end;
    prefix = cut.prefix;
  }
  const rest = text.slice(at);
  const settled = added.length > 0 ? before.settled.concat(added) : before.settled;
  const same = before.tail !== null && before.tail.start === at && before.tail.text === prefix + rest;
  const tail = rest.trim() === "" ? null : same ? before.tail : { start: at, text: prefix + rest };
  if (tail && !open) return { settled: settled.concat([tail]), tail: null, at: text.length, prefix: "" };
  return { settled, tail, at, prefix };
}

interface Cut {
  /** The block's own text; null where only blank lines were passed over. */
  readonly text: string | null;
  readonly end: number;
  readonly prefix: string;
}

interface Scan {
  fence: string | null;
  fenceLine: string;
  list: boolean;
  /** The first two lines of a table: its head, repeated where it is cut. */
  table: string;
  tableLines: number;
  lines: number;
}

/** Find the end of the block that begins at `from`; null if it may still grow. */
function nextCut(text: string, from: number, prefix: string, open: boolean): Cut | null {
  const scan = begin(prefix);
  let at = from;
  let blankAt = -1;
  while (at < text.length) {
    const newline = text.indexOf("\n", at);
    const complete = newline >= 0;
    const next = complete ? newline + 1 : text.length;
    const line = text.slice(at, complete ? newline : next);
    if (scan.fence === null && line.trim() === "") {
      if (scan.lines === 0 && complete) return { text: null, end: next, prefix: "" };
      if (blankAt < 0) blankAt = at;
    } else {
      if (blankAt >= 0 && startsNew(line, scan)) return { text: text.slice(from, blankAt), end: at, prefix: "" };
      if (scan.lines > 0 && isLong(scan, at - from) && mayCutBefore(line, scan)) return cutHere(text, from, at, scan);
      if (next - from > MAX_CHARS && scan.lines === 0) return cutLine(text, from, next, complete, open);
      blankAt = -1;
      read(line, scan);
    }
    at = next;
  }
  return null;
}

function begin(prefix: string): Scan {
  const scan: Scan = { fence: null, fenceLine: "", list: false, table: "", tableLines: 0, lines: 0 };
  if (prefix === "") return scan;
  for (const line of prefix.trimEnd().split("\n")) read(line, scan);
  scan.lines = 0;
  return scan;
}

function read(line: string, scan: Scan): void {
  const fence = FENCE.exec(line);
  const mark = fence?.[1];
  if (scan.fence !== null) {
    if (mark && mark.startsWith(scan.fence) && (fence?.[2] ?? "").trim() === "") scan.fence = null;
  } else if (mark && !(mark[0] === "`" && (fence?.[2] ?? "").includes("`"))) {
    scan.fence = mark;
    scan.fenceLine = line;
  } else if (ITEM.test(line)) {
    if (scan.lines === 0) scan.list = true;
  } else if (/^ {0,3}\|/.test(line) && scan.lines < 2 && scan.tableLines < 2) {
    scan.table += line + "\n";
    scan.tableLines += 1;
  }
  scan.lines += 1;
}

/** Whether `line`, which stands behind a blank line, begins a new block. */
function startsNew(line: string, scan: Scan): boolean {
  return !CONTINUED.test(line) && !(scan.list && ITEM.test(line));
}

function isLong(scan: Scan, chars: number): boolean {
  return scan.lines >= MAX_LINES || chars >= MAX_CHARS;
}

function mayCutBefore(line: string, scan: Scan): boolean {
  return scan.fence !== null || !scan.list || ITEM.test(line) || scan.lines >= 4 * MAX_LINES;
}

function cutHere(text: string, from: number, at: number, scan: Scan): Cut {
  const body = text.slice(from, at);
  if (scan.fence !== null) return { text: `${body}${scan.fence}\n`, end: at, prefix: `${scan.fenceLine}\n` };
  return { text: body, end: at, prefix: scan.tableLines === 2 ? scan.table : "" };
}

/** Cut an over-long line behind its last space within the limit. */
function cutLine(text: string, from: number, next: number, complete: boolean, open: boolean): Cut | null {
  if (!complete && open && next - from <= MAX_CHARS) return null;
  const space = text.lastIndexOf(" ", from + MAX_CHARS);
  const end = space > from ? space + 1 : from + MAX_CHARS;
  return { text: text.slice(from, end), end, prefix: "" };
}
