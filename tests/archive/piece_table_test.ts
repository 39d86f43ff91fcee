import { assert, assertEquals } from "@std/assert";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { PIECE_ENTRY_BYTES, type PieceLengths, PieceTable } from "../../cli/archive/piece_table.ts";
import { Random } from "../../scripts/disk_image.ts";
import { MemoryScratch } from "../support/memory_scratch.ts";
import { concat } from "./files.ts";

/** The length of the list that may stay in memory. */
const KEPT_BYTES = 1024 * 1024;
const COUNT = 300_000;
const SEED = 5;

/** Returns entries as {@linkcode PieceTable.entries} yields them. */
function bytesOf(pieces: readonly PieceLengths[]): Uint8Array {
  const fields = new DataView(new ArrayBuffer(pieces.length * PIECE_ENTRY_BYTES));
  for (const [i, { storedBytes, contentBytes }] of pieces.entries()) {
    fields.setUint32(i * PIECE_ENTRY_BYTES, storedBytes, true);
    fields.setUint32(i * PIECE_ENTRY_BYTES + 4, contentBytes, true);
  }
  return new Uint8Array(fields.buffer);
}

function assertEntries(table: PieceTable, pieces: readonly PieceLengths[], hint: string): void {
  const parts = [];
  for (const part of table.entries()) parts.push(part.slice());
  assertEqualBytes(concat(...parts), bytesOf(pieces), hint);
}

function drawPieces(count: number): PieceLengths[] {
  const random = new Random(SEED);
  return Array.from({ length: count }, () => ({
    storedBytes: random.below(2 ** 31) * 2 + 1,
    contentBytes: random.below(2 ** 31),
  }));
}

Deno.test("PieceTable returns its pieces in order, with and without a scratch file", () => {
  const pieces = drawPieces(COUNT);
  for (const scratch of [undefined, new MemoryScratch()]) {
    const table = new PieceTable({ scratch: scratch && (() => scratch) });
    for (const piece of pieces) table.add(piece);
    assertEquals(table.count, COUNT);
    const hint = `seed ${SEED}, ${scratch === undefined ? "without" : "with"} a scratch file`;
    assertEntries(table, pieces, hint);
    assertEntries(table, pieces, `${hint}, a second time`);
  }
});

Deno.test("PieceTable keeps a mebibyte in memory and writes the rest to the scratch file", () => {
  const scratch = new MemoryScratch();
  const table = new PieceTable({ scratch: () => scratch });
  for (const piece of drawPieces(COUNT)) {
    table.add(piece);
    const keptBytes = table.count * PIECE_ENTRY_BYTES - scratch.length;
    assert(keptBytes <= KEPT_BYTES, `${keptBytes} bytes after ${table.count} pieces`);
  }
});

Deno.test("PieceTable opens no scratch file for the pieces of a hundred gibibytes", () => {
  const table = new PieceTable({ scratch: () => assert(false) as never });
  for (let i = 0; i < 100_000; i++) table.add({ storedBytes: i, contentBytes: 2 ** 20 });
  assertEquals(table.count, 100_000);
});

Deno.test("PieceTable.cut() removes the last pieces, in memory and in the scratch file", () => {
  const pieces = drawPieces(COUNT);
  const page = KEPT_BYTES / PIECE_ENTRY_BYTES;
  for (const count of [COUNT, COUNT - 1, 2 * page + 1, 2 * page, 2 * page - 1, page, 7, 0]) {
    const scratch = new MemoryScratch();
    const table = new PieceTable({ scratch: () => scratch });
    for (const piece of pieces) table.add(piece);
    table.cut(count);
    assertEntries(table, pieces.slice(0, count), `cut behind ${count}`);
    const more = pieces.slice(0, page + 3);
    for (const piece of more) table.add(piece);
    assertEntries(table, [...pieces.slice(0, count), ...more], `gone on behind ${count}`);
  }
});
