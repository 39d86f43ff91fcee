/** Bitmaps by the blocks in them. */

import { Bitmap } from "../../cli/archive/bitmap.ts";
import { PlainSink } from "../../cli/archive/plain_sink.ts";
import { MemoryFile } from "./memory_file.ts";

/** A bitmap of the blocks for which `has` is true. */
export function bitmapOf(bitCount: number, has: (block: number) => boolean): Bitmap {
  const bitmap = new Bitmap(bitCount);
  for (let block = 0; block < bitCount; block++) if (has(block)) bitmap.set(block);
  return bitmap;
}

/** The bytes of its file. */
export async function bytesOf(bitmap: Bitmap): Promise<Uint8Array<ArrayBuffer>> {
  const file = new MemoryFile("bitmap");
  await bitmap.writeTo(new PlainSink(file.path, file));
  return file.bytes;
}

/** The blocks whose bits are set, ascending. */
export function blocksOf(bitmap: Bitmap): number[] {
  return Array.from({ length: bitmap.bitCount }, (_, block) => block).filter((block) => bitmap.get(block));
}
