import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createSHA256 } from "hash-wasm";
import { MAX_SEAL_BYTES, parseSeal, type Seal, sealBytes, sealNameOf } from "../../cli/archive/seal.ts";
import { createSha256 } from "../../cli/archive/sha256.ts";
import { FormatError } from "../../cli/errors.ts";
import { Random } from "../../scripts/disk_image.ts";

const ROOT = "ab".repeat(32);
const SEAL: Seal = {
  program: "vmdkbkp 2.0.0",
  series: "0123456789abcdef0123456789abcdef",
  time: "2026-07-15 12:00:00 summer time",
  root: ROOT,
  capacityBytes: 1000,
  blockBytes: 512,
  blockCount: 2,
  mode: { asked: "incr", done: "diff", reason: "the bitmap is wrong" },
  source: { disk: 'a "disk" ü.vmdk', format: "monolithicSparse", cid: "fffffffe" },
  audit: {
    percent: 5,
    unchangedBlocks: 20,
    sampledBlocks: 1,
    differingBlocks: 1,
    firstDifferingBlock: 0,
    seed: "a",
    result: "differs",
  },
  files: [
    { role: "dump", name: "1.dump", bytes: 700, sha256: ROOT, dataRecords: 1, zeroRecords: 1 },
    { role: "digest", name: "1.digest", bytes: 70, sha256: ROOT, dataRecords: 1, zeroRecords: 1 },
    {
      ...{ role: "rdiff", name: "0.rdiff", bytes: 600, sha256: ROOT, dataRecords: 1, zeroRecords: 0 },
      from: { time: "2026-07-15 12:00:00 summer time", root: ROOT },
      to: { time: "2026-07-15 11:00:00", root: null },
    },
  ],
};

Deno.test("parseSeal() reads what sealBytes() writes", async () => {
  assertEquals(await parseSeal(await sealBytes(SEAL), "a"), SEAL);
  const { audit: _, ...other } = SEAL;
  const rdiff = { ...SEAL.files[2], from: null };
  const seal: Seal = { ...other, root: null, mode: { asked: "merge", done: "merge" }, files: [rdiff] };
  assertEquals(await parseSeal(await sealBytes(seal), "a"), seal);
});

Deno.test("sealBytes() ends with the SHA-256 of the text in front of it", async () => {
  const bytes = await sealBytes(SEAL);
  const text = new TextDecoder().decode(bytes);
  const at = text.lastIndexOf('  "sha256": ');
  const oracle = await createSHA256();
  oracle.init().update(text.slice(0, at));
  assertEquals(text.slice(at), `  "sha256": "${oracle.digest()}"\n}\n`);
});

Deno.test("parseSeal() refuses every seal in which a byte is changed, missing, doubled, or cut off", async () => {
  const bytes = await sealBytes(SEAL);
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [1, 2, 0x20, 0x80]) {
      const changed = bytes.slice();
      changed[at] ^= flip;
      await assertRejects(() => parseSeal(changed, "a"), FormatError, '"a"', `byte ${at} ^ ${flip}`);
    }
    const before = bytes.subarray(0, at);
    await assertRejects(() => parseSeal(before, "a"), FormatError, '"a"', `cut at ${at}`);
    const without = Uint8Array.from([...before, ...bytes.subarray(at + 1)]);
    await assertRejects(() => parseSeal(without, "a"), FormatError, '"a"', `without byte ${at}`);
    const doubled = Uint8Array.from([...before, bytes[at], ...bytes.subarray(at)]);
    await assertRejects(() => parseSeal(doubled, "a"), FormatError, '"a"', `byte ${at} twice`);
  }
});

Deno.test("parseSeal() ignores unknown members", async () => {
  const later = { ...SEAL, files: SEAL.files.map((file) => ({ ...file, colour: [1, 2] })) };
  assertEquals(await parseSeal(await sealBytes(later), "a"), SEAL);
});

const WRONG: [string, unknown][] = [
  ["series", "x"],
  ["time", "yesterday"],
  ["root", "AB".repeat(32)],
  ["root", 5],
  ["capacityBytes", 1025],
  ["capacityBytes", 512],
  ["capacityBytes", 1e300],
  ["blockBytes", 513],
  ["blockBytes", 32 * 1024 * 1024],
  ["blockCount", 0],
  ["blockCount", 1.5],
  ["mode", "full"],
  ["mode", { asked: "full" }],
  ["source", []],
  ["source", { disk: 1 }],
  ["source", { disk: "x".repeat(5000) }],
  ["audit", { unchangedBlocks: 1, sampledBlocks: 2, differingBlocks: 0, result: "agrees" }],
  ["audit", { unchangedBlocks: 1, sampledBlocks: 1, differingBlocks: 0, result: "perhaps" }],
  ["files", {}],
  ["files", [null]],
  ["files", Array(65).fill(SEAL.files[0])],
  ...["../a", "a/b", "..", ".", "", "a\0b"].map((name): [string, unknown] => [
    "files",
    [{ ...SEAL.files[0], name }],
  ]),
  ["files", [{ ...SEAL.files[0], role: "bitmap" }]],
  ["files", [{ ...SEAL.files[0], bytes: -1 }]],
  ["files", [{ ...SEAL.files[0], dataRecords: 2, zeroRecords: 1 }]],
  ["files", [{ ...SEAL.files[0], dataRecords: 0 }]],
  ["files", [{ ...SEAL.files[2], to: null }]],
  ["files", [{ ...SEAL.files[2], from: undefined }]],
];

Deno.test("parseSeal() refuses values beyond their bounds, and names the field", async () => {
  for (const [name, value] of WRONG) {
    const bytes = await sealBytes({ ...SEAL, [name]: value } as Seal);
    const error = await assertRejects(
      () => parseSeal(bytes, "a"),
      FormatError,
      undefined,
      JSON.stringify(value),
    );
    assertMatch(error.fault.expected!, new RegExp(`^(${name}|capacityBytes)`), JSON.stringify(value));
  }
});

Deno.test("parseSeal() refuses other JSON, other versions, and text that is not JSON", async () => {
  const texts = ["", "{", "[]", "null", "1", '"a"', "{}", '{"vmdkbkpSeal": 2}', "[".repeat(120_000)];
  texts.push(`{"vmdkbkpSeal":1,"a":${"[".repeat(60_000)}${"]".repeat(60_000)}}`);
  texts.push("\ufeff{}", "{}".padEnd(MAX_SEAL_BYTES + 1));
  for (const text of texts) {
    await assertRejects(() => parseSeal(new TextEncoder().encode(text), "a"), FormatError, '"a"');
  }
  await assertRejects(() => parseSeal(Uint8Array.of(0x22, 0xff, 0x22), "a"), FormatError, '"a"');
});

Deno.test("sealNameOf() is the same for the files of a generation", () => {
  for (
    const name of ["mon.dump", "mon.digest", "mon.rdiff", "mon.dump.gz", "mon.digest.zst", "mon", "mon.gz"]
  ) {
    assertEquals(sealNameOf(name), "mon.seal.json");
  }
  assertEquals(sealNameOf("a.b.dump.zst"), "a.b.seal.json");
  assertEquals(sealNameOf(".dump"), ".dump.seal.json");
  assertEquals(sealNameOf("x.dump.dump"), "x.dump.seal.json");
});

Deno.test("createSha256() agrees with hash-wasm for parts of any length, also in shared memory", async () => {
  const random = new Random(7);
  const oracle = await createSHA256();
  for (const length of [0, 1, 55, 56, 63, 64, 65, 1000, 100_000]) {
    const bytes = new Uint8Array(new SharedArrayBuffer(length));
    for (let i = 0; i < length; i++) bytes[i] = random.below(256);
    const hash = await createSha256();
    for (let at = 0; at < length;) {
      const end = Math.min(length, at + 1 + random.below(5000));
      hash.update(bytes.subarray(at, end));
      at = end;
    }
    oracle.init().update(bytes.slice());
    assertEquals(hash.hex(), oracle.digest());
  }
});
