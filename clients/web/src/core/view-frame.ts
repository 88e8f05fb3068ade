/** A picture of the live view as it comes over the wire: a head of 16 bytes and a JPEG (protocol, section 4). Pure. */

/** Bytes of the head, big-endian: view u16, number u32, ms u32, width u16, height u16, flags u16. */
const HEAD_BYTES = 16;
const POLLED = 1;
const HELD = 2;

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Picture {
  /** The view's number, as the reply to `view.open` gave it. */
  readonly view: number;
  /** Counts what was captured: a gap means that newer pictures took the place of older ones. */
  readonly number: number;
  /** The viewport, CSS pixels; the JPEG may have fewer. */
  readonly viewport: Size;
  /** The page never stands still, and is photographed twice a second. */
  readonly polled: boolean;
  /** A person has control. */
  readonly held: boolean;
  readonly jpeg: Uint8Array<ArrayBuffer>;
}

/** Read one binary message; null for one that is too short to be a picture. */
export function readPicture(message: ArrayBuffer): Picture | null {
  if (message.byteLength <= HEAD_BYTES) return null;
  const head = new DataView(message, 0, HEAD_BYTES);
  const flags = head.getUint16(14);
  return {
    view: head.getUint16(0), number: head.getUint32(2), viewport: { width: head.getUint16(10), height: head.getUint16(12) },
    polled: (flags & POLLED) !== 0, held: (flags & HELD) !== 0, jpeg: new Uint8Array(message, HEAD_BYTES),
  };
}
