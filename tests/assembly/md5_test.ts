import { createHash } from "node:crypto";
import { assertEquals } from "@std/assert";
import { createMD5 } from "hash-wasm";
import type { Core } from "../../cli/core.ts";
import { Random } from "../../scripts/disk_image.ts";
import { copyOf, fillRun, newRun, testBuilds, type TestRun } from "./builds.ts";

const hashWasm = await createMD5();

/** Returns the digests that md5Blocks() computes of a run, in hexadecimal. */
function digestsOf(core: Core, run: TestRun): string[] {
  const ptr = core.alloc(run.count * core.DIGEST_SIZE);
  core.bytes(ptr, run.count * core.DIGEST_SIZE).fill(0xee);
  core.md5Blocks(run.tablePtr, run.count, run.blockBytes, ptr);
  return Array.from(run.table, (_, i) => toHex(core.bytes(ptr + i * core.DIGEST_SIZE, core.DIGEST_SIZE)));
}

/** Returns the digests that another implementation of MD5 computes, in hexadecimal. */
function expectedOf(core: Core, run: TestRun, md5: (bytes: Uint8Array) => string): string[] {
  return Array.from(run.table, (entry) => {
    if (entry === core.ZERO || entry === core.ABSENT) return "0".repeat(32);
    return md5(copyOf(core.bytes(entry, run.blockBytes)));
  });
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function nodeMd5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

function wasmMd5(bytes: Uint8Array): string {
  return hashWasm.init().update(bytes).digest("hex");
}

/** The test vectors of RFC 1321, appendix A.5. */
const PUBLISHED = {
  "": "d41d8cd98f00b204e9800998ecf8427e",
  "a": "0cc175b9c0f1b6a831c399e269772661",
  "abc": "900150983cd24fb0d6963f7d28e17f72",
  "message digest": "f96b697d7cb7938d525a2f31aaf161d0",
  "abcdefghijklmnopqrstuvwxyz": "c3fcd3d76192e4007dfb496cca67e13b",
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789": "d174ab98d277d9f5a5611c2c9f419d9f",
  "12345678901234567890123456789012345678901234567890123456789012345678901234567890":
    "57edf4a22be3c955ac49da2e2107b67a",
};

testBuilds("md5Blocks() computes the digests of RFC 1321's test vectors", (core) => {
  for (const [text, digest] of Object.entries(PUBLISHED)) {
    const run = newRun(core, { count: 1, blockBytes: text.length });
    run.block(0).set(new TextEncoder().encode(text));
    run.table[0] = run.blockPtr(0);
    assertEquals(digestsOf(core, run), [digest], text);
  }
});

testBuilds("md5Blocks() hashes blocks of every length", (core) => {
  const lengths = Array.from({ length: 261 }, (_, length) => length);
  for (const middle of [512, 4096]) for (let near = -9; near <= 9; near++) lengths.push(middle + near);
  for (const blockBytes of lengths) {
    using scope = core.scope();
    const random = new Random(blockBytes);
    const run = newRun(scope, { count: 1 + blockBytes % 13, blockBytes });
    for (let i = 0; i < run.count; i++) {
      random.fill(run.block(i));
      run.table[i] = run.blockPtr(i);
    }
    assertEquals(digestsOf(scope, run), expectedOf(core, run, nodeMd5), `${blockBytes} bytes`);
  }
});

testBuilds("md5Blocks() hashes blocks of every alignment", (core) => {
  const run = newRun(core, { count: 65, blockBytes: 200 });
  const ptr = core.alloc(65 + run.blockBytes);
  new Random(1).fill(core.bytes(ptr, 65 + run.blockBytes));
  for (const blockBytes of [63, 64, 65, 128, 200]) {
    for (let i = 0; i < run.count; i++) run.table[i] = ptr + i;
    const shape = { ...run, blockBytes };
    assertEquals(digestsOf(core, shape), expectedOf(core, shape, nodeMd5), `${blockBytes} bytes`);
  }
});

testBuilds("md5Blocks() leaves digests of zero and absent blocks zero, in tables of every size", (core) => {
  for (let count = 0; count <= 40; count++) {
    for (const blockBytes of [64, 100, 512]) {
      const seed = count * 1000 + blockBytes;
      using scope = core.scope();
      const run = newRun(scope, { count, blockBytes });
      fillRun(core, run, new Random(seed));
      assertEquals(digestsOf(scope, run), expectedOf(core, run, wasmMd5), `seed ${seed}`);
      for (let i = 0; i < count; i++) run.table[i] = run.blockPtr(i);
      assertEquals(digestsOf(scope, run), expectedOf(core, run, nodeMd5), `seed ${seed}, data blocks only`);
    }
  }
});

testBuilds("md5Blocks() writes nothing but the digests", (core) => {
  const run = newRun(core, { count: 5, blockBytes: 70 });
  fillRun(core, run, new Random(7));
  const before = Array.from(core.bytes(run.slotsPtr, 5 * 70));
  const ptr = core.alloc(16 + 5 * 16 + 16);
  core.bytes(ptr, 112).fill(0xee);
  core.md5Blocks(run.tablePtr, run.count, run.blockBytes, ptr + 16);
  assertEquals(Array.from(core.bytes(run.slotsPtr, 5 * 70)), before);
  assertEquals(toHex(core.bytes(ptr, 16)), "ee".repeat(16));
  assertEquals(toHex(core.bytes(ptr + 96, 16)), "ee".repeat(16));
});
