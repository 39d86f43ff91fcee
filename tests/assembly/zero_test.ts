import { assertEquals } from "@std/assert";
import { Random } from "../../scripts/disk_image.ts";
import { newRun, testBuilds } from "./builds.ts";

testBuilds("dropZeros() replaces zero blocks of every length and alignment", (core) => {
  const ptr = core.alloc(1024);
  const tablePtr = core.alloc(4);
  const table = core.words(tablePtr, 1);
  core.bytes(ptr, 1024).fill(0xff);
  for (let length = 0; length <= 400; length++) {
    const blockPtr = ptr + 16 + length % 65;
    const bytes = core.bytes(blockPtr, length).fill(0);
    table[0] = blockPtr;
    assertEquals(core.dropZeros(tablePtr, 1, length), 0, `${length} bytes`);
    assertEquals(table[0], core.ZERO, `${length} bytes`);
    bytes.fill(0xff);
  }
});

testBuilds("dropZeros() keeps a block with a single byte that is not zero, at each position", (core) => {
  const ptr = core.alloc(1024);
  const tablePtr = core.alloc(4);
  const table = core.words(tablePtr, 1);
  for (const length of [1, 15, 16, 17, 127, 128, 129, 143, 144, 145, 255, 256, 257, 300]) {
    const bytes = core.bytes(ptr + length % 16, length).fill(0);
    for (let position = 0; position < length; position++) {
      for (const value of [1, 0x80]) {
        bytes[position] = value;
        table[0] = ptr + length % 16;
        const where = `byte ${position} of ${length}`;
        assertEquals(core.dropZeros(tablePtr, 1, length), 1, where);
        assertEquals(table[0], ptr + length % 16, where);
      }
      bytes[position] = 0;
    }
  }
});

testBuilds("dropZeros() changes only the entries of zero blocks", (core) => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed);
    const run = newRun(core, { count: random.below(40), blockBytes: 1 + random.below(300) });
    let dataBlocks = 0;
    const expected = Array.from(run.table, (_, i) => {
      const kind = random.below(4);
      run.block(i).fill(0);
      run.table[i] = [core.ZERO, core.ABSENT, run.blockPtr(i), run.blockPtr(i)][kind];
      if (kind === 3) run.block(i)[random.below(run.blockBytes)] = 1 + random.below(255);
      if (kind === 3) dataBlocks++;
      return [core.ZERO, core.ABSENT, core.ZERO, run.blockPtr(i)][kind];
    });
    assertEquals(core.dropZeros(run.tablePtr, run.count, run.blockBytes), dataBlocks, `seed ${seed}`);
    assertEquals(Array.from(run.table), expected, `seed ${seed}`);
  }
});
