/** A second reader and writer of records, as simple as possible, with which the tests compare the kernels. */

/** A record of a dump or rdiff. */
export interface TestRecord {
  /** Index of the block. */
  block: number;
  /** Bytes of the block; undefined for a zero block. */
  content?: Uint8Array;
}

/** What reading a window gives: the records, the bytes that they take, and why the reader stopped. */
export interface TestTake {
  /** Why the reader stopped, like `TakeStatus` of the core. */
  status: "more" | "reached" | "content" | "bad";
  /** The records that were read. */
  records: TestRecord[];
  /** Bytes that the records take. */
  consumed: number;
  /** The block at which the reader stopped; only with `reached` and `content`. */
  peekedBlock?: number;
}

/** What a reader of records is asked for. */
export interface Wanted {
  /** Bytes of a block. */
  blockBytes: number;
  /** Blocks of the disk. */
  blockCount: number;
  /** True for a dump, false for an rdiff. */
  full: boolean;
  /** Lowest block that the first record may have. */
  nextBlock: number;
  /** The reader stops before this block and later ones. */
  toBlock: number;
}

/** Returns the bytes of records. */
export function writeRecords(records: TestRecord[]): Uint8Array {
  return fromText(
    records.map(({ block, content }) => {
      return content === undefined
        ? `${block}\0` + "1\0"
        : `${block}\0` + `0\0${content.length}\0` + toText(content);
    }).join(""),
  );
}

/** Reads the records of a window, and stops as the record cursor of the core must. */
export function readRecords(bytes: Uint8Array, wanted: Wanted): TestTake {
  const text = toText(bytes);
  const take: TestTake = { status: "more", records: [], consumed: 0 };
  for (let { nextBlock } = wanted;;) {
    const rest = text.slice(take.consumed);
    const index = /^(0|[1-9][0-9]{0,15})\0/.exec(rest);
    if (index === null) return end(take, /^(0|[1-9][0-9]{0,15})?$/.test(rest));
    const block = Number(index[1]);
    if (block >= wanted.blockCount || block < nextBlock || (wanted.full && block > nextBlock)) {
      return end(take, false);
    }
    if (block >= wanted.toBlock) return { ...take, status: "reached", peekedBlock: block };

    const header = `0\0${wanted.blockBytes}\0`;
    const body = rest.slice(index[0].length);
    nextBlock = block + 1;
    if (body.startsWith("1\0")) {
      take.records.push({ block });
      take.consumed += index[0].length + 2;
    } else if (body.startsWith(header)) {
      const content = body.slice(header.length, header.length + wanted.blockBytes);
      take.consumed += index[0].length + header.length;
      if (content.length < wanted.blockBytes) return { ...take, status: "content", peekedBlock: block };
      take.records.push({ block, content: fromText(content) });
      take.consumed += content.length;
    } else {
      return end(take, "1\0".startsWith(body) || header.startsWith(body));
    }
  }
}

function end(take: TestTake, possible: boolean): TestTake {
  return { ...take, status: possible ? "more" : "bad" };
}

/** Returns text with one character for each byte. */
export function toText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** Returns one byte for each character. */
export function fromText(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
