/**
 * Whether deflate is wasted on a piece: media, archives and encrypted files are a good part of many disks, and zlib takes
 * twice as long to find nothing in them as to compress text. (libzstd looks for itself and gives up at 5 GB/s.)
 *
 * Deflate has two means only: bytes that are more frequent than others get shorter codes, and what stood up to 32 KiB before
 * is named instead of repeated. So a window of the piece looks random if its bytes are about equally frequent and hardly any
 * four of them stood in it before. A piece is incompressible if all windows look random that are taken from it, spread
 * evenly. What that misses: compressible stretches shorter than the distance of two windows in a piece that is random
 * otherwise, and random bytes that are repeated after more than a window.
 *
 * Text is known for what it is after one window. On noise all windows take 0.3 ms for 1 MiB, deflating it 17 ms.
 */

/** Large enough to tell frequencies apart: 16 of each byte on average. */
const WINDOW_BYTES = 4096;

/** Windows of a piece, as far as it has so many; a longer one than 1 MiB has one every 64 KiB. */
const MIN_WINDOWS = 16;
const MAX_DISTANCE_BYTES = 64 * 1024;

/**
 * Chi-squared of 256 frequencies against equal ones, above which a window does not look random. For noise it is 255 on
 * average with a standard deviation of 23, so noise practically never exceeds it. A window below it could be coded in
 * (512 - 255) / (2 * 4096) nats or 0.6 % less than eight bits a byte, which the table of a Huffman code takes for itself.
 */
const MAX_CHI_SQUARED = 512;

/**
 * Repeated groups of four bytes in a window that does not look random from here on: less than 1 %. Noise has one in 500
 * windows; the heads of records between blocks of 4 KiB make up to ten, and are not worth compressing noise for.
 */
const MAX_REPEATS = 32;

/** Slots for the groups of four bytes seen last. */
const TABLE_BITS = 12;

const counts = new Uint16Array(256);
const seen = new Uint32Array(1 << TABLE_BITS);
const view = new Uint8Array(WINDOW_BYTES);

/** Whether `content` is better stored than deflated. It depends on the content alone; less than a window never is. */
export function isIncompressible(content: Uint8Array): boolean {
  if (content.length < WINDOW_BYTES) return false;
  const last = content.length - WINDOW_BYTES;
  const windows = Math.max(MIN_WINDOWS, Math.ceil(content.length / MAX_DISTANCE_BYTES));
  const distance = Math.max(WINDOW_BYTES, last / (windows - 1));
  // The last window is the end of the piece, whatever was rounded.
  for (let at = 0; at < last; at += distance) {
    if (!looksRandom(content, Math.floor(at))) return false;
  }
  return looksRandom(content, last);
}

function looksRandom(content: Uint8Array, at: number): boolean {
  view.set(content.subarray(at, at + WINDOW_BYTES));
  return chiSquared() <= MAX_CHI_SQUARED && repeats() < MAX_REPEATS;
}

/** Of the window in `view`. */
function chiSquared(): number {
  counts.fill(0);
  for (let i = 0; i < WINDOW_BYTES; i++) counts[view[i]]++;
  const expected = WINDOW_BYTES / 256;
  let sum = 0;
  for (let byte = 0; byte < 256; byte++) sum += (counts[byte] - expected) ** 2;
  return sum / expected;
}

/** How many groups of four bytes in `view` stood there before, but for those that others have driven out of the table. */
function repeats(): number {
  seen.fill(0);
  let found = 0;
  let group = 0;
  for (let i = 0; i < WINDOW_BYTES; i++) {
    group = (group >>> 8) | (view[i] << 24);
    if (i < 3) continue;
    // Knuth's multiplicative hash: the upper bits depend on all four bytes.
    const slot = Math.imul(group, 0x9e3779b1) >>> (32 - TABLE_BITS);
    if (seen[slot] === group >>> 0) found++;
    else seen[slot] = group;
  }
  return found;
}
