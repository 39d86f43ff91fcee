/** Encrypted disks: refused, naming the line, unless the caller allows it; then the keys are kept. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openChain, openForReading, openForWriting } from "../../../cli/disks/open.ts";
import { FormatError } from "../../../cli/errors.ts";
import { callMain } from "../../support/run_cli.ts";
import { assertSameBytes, Folder, noise, readByExtents } from "../helpers.ts";
import { buildSparse, descriptorText } from "./builder.ts";
import { buildCowd } from "./esx_builder.ts";

const CONTENT = noise(16 * 512, 1);
const LINE = 'RW 16 VMFS "disk-flat.vmdk"';
const KEYS = "vmware:key/list/(pair/(fqid/<VMWARE-NULL>/KMS/1111-2222,HMAC-SHA-256,QUJDREVGR0g=))";

/** Lines that say that a disk is encrypted: in the header, in the data base, and the name that messages give. */
const ENCRYPTED: [header: string[], ddb: string[], shown: string][] = [
  [['keyID="1111-2222"'], [], "line 7 of the descriptor (keyID)"],
  [[`encryptionKeys="${KEYS}"`], [], "line 7 of the descriptor (encryptionKeys)"],
  [["# x", `ENCRYPTIONKEYS = "${KEYS}"`], [], "line 8 of the descriptor (ENCRYPTIONKEYS)"],
  [[`encryption.keySafe = "${KEYS}"`, 'encryption.data = "abcd"'], [], "(encryption.keySafe)"],
  [[], ['ddb.iofilters = "vmwarevmcrypt"'], '(ddb.iofilters = "vmwarevmcrypt")'],
  [[], ['DDB.IOFILTERS="vmwarelwd,vmwareVMcrypt"'], '(DDB.IOFILTERS = "vmwarelwd,vmwareVMcrypt")'],
  [[], ['ddb.iofilters = "other "vmwarevmcrypt""'], "(ddb.iofilters = "],
  [[], ['ddb.encryptionKeys = "x"'], "(ddb.encryptionKeys)"],
];

/** Lines that speak of other things. */
const PLAIN: [header: string[], ddb: string[]][] = [
  [[], ['ddb.iofilters = "vmwarelwd"']],
  [['encryption="none"', "encryptionKeys=", "encrypted=false"], []],
  [[], ['ddb.comment = "not encrypted"', 'ddb.encryption = "0"']],
];

function write(folder: Folder, { header = [], ddb = [] }: { header?: string[]; ddb?: string[] }): string {
  folder.file("disk-flat.vmdk", CONTENT);
  return folder.file("disk.vmdk", descriptorText([LINE], { createType: "vmfs", header, ddb }));
}

Deno.test("openForReading() and openForWriting() refuse encrypted disks, naming the line and the way out", async () => {
  using folder = new Folder();
  for (const [header, ddb, shown] of ENCRYPTED) {
    const path = write(folder, { header, ddb });
    for (const open of [openForReading, openChain, openForWriting]) {
      const error = await assertRejects(() => open(path), FormatError, undefined, shown);
      assertStringIncludes(error.message, shown);
      assertStringIncludes(error.message, "--allow-encrypted");
      assert(error.fault.offsetBytes! > 0);
    }
  }
});

Deno.test("openForReading() reads encrypted disks if the caller allows it, with a warning", async () => {
  using folder = new Folder();
  for (const [header, ddb, shown] of ENCRYPTED) {
    const warnings: string[] = [];
    const warn = (line: string) => warnings.push(line);
    using disk = await openForReading(write(folder, { header, ddb }), { allowEncrypted: true, warn });
    assertSameBytes(await readByExtents(disk), CONTENT, shown);
    assert(warnings.some((line) => line.includes(shown) && line.includes("encrypted")), warnings.join("\n"));
  }
});

Deno.test("openForReading() reads disks whose descriptors speak of encryption and are not encrypted", async () => {
  using folder = new Folder();
  for (const [header, ddb] of PLAIN) {
    using disk = await openForReading(write(folder, { header, ddb }));
    assertSameBytes(await readByExtents(disk), CONTENT, `${header} ${ddb}`);
  }
});

Deno.test("openForReading() refuses sparse VMDKs whose embedded descriptor says that they are encrypted", async () => {
  using folder = new Folder();
  const text = descriptorText(['RW 16 SPARSE "x"'], { header: ['keyID="1"'] });
  const path = folder.file("x.vmdk", buildSparse(CONTENT, { descriptor: text }).bytes);
  await assertRejects(() => openForReading(path), FormatError, "(keyID)");
  using disk = await openForReading(path, { allowEncrypted: true });
  assertEquals(disk.metadata.get("vmdkbkp.header.keyID"), "1");
});

Deno.test("openForReading() refuses a plain child of an encrypted parent, and keeps the keys of every link", async () => {
  using folder = new Folder();
  write(folder, { header: ['keyID="base"', 'encryptionKeys="same"'] });
  folder.file("delta", buildCowd(new Uint8Array(CONTENT.length)).bytes);
  const child = (header: string[]) => {
    const hint = 'parentFileNameHint="disk.vmdk"';
    const text = descriptorText(['RW 16 VMFSSPARSE "delta"'], { header: [hint, ...header] });
    return folder.file("child.vmdk", text.replace("parentCID=ffffffff", "parentCID=3f2a90c1"));
  };
  await assertRejects(() => openForReading(child([])), FormatError, 'disk.vmdk": line 7');
  using disk = await openForReading(child(['keyID="child"', 'encryptionKeys="same"']), {
    allowEncrypted: true,
  });
  const kept = [...disk.metadata].filter(([key]) => key.startsWith("vmdkbkp.header."));
  assertEquals(kept, [
    ["vmdkbkp.header.keyID", "child"],
    ["vmdkbkp.header.encryptionKeys", "same"],
    ["vmdkbkp.header.1.keyID", "base"],
  ]);
});

Deno.test("dump --allow-encrypted keeps the keys in the archive, and restore says that the content is encrypted", async () => {
  using folder = new Folder();
  const header = ['keyID="1111-2222"', `encryptionKeys="${KEYS}"`];
  const path = write(folder, { header, ddb: ['ddb.iofilters = "vmwarevmcrypt"'] });
  const [dump, digest] = [folder.file("a.dump"), folder.file("a.digest")];
  const args = ["dump", "--mode", "full", "--local", path, "--dumpout", dump, "--digestout", digest];
  const refused = await callMain(args);
  assertEquals([refused.code, refused.stdout], [3, ""]);
  assertStringIncludes(refused.stderr, "--allow-encrypted");
  assertEquals([...Deno.readDirSync(folder.path)].length, 2);

  const made = await callMain([...args, "--allow-encrypted"]);
  assertEquals(made.code, 0, made.stderr);
  assertStringIncludes(made.stderr, "Warning: ");
  const { stdout } = await callMain(["print", dump]);
  assertStringIncludes(stdout, KEYS);
  assertStringIncludes(stdout, "1111-2222");

  for (const format of ["monolithicFlat", "vmfs", "monolithicSparse", "streamOptimized"]) {
    const to = folder.file(`${format}.vmdk`);
    const restored = await callMain([
      "restore",
      "--create",
      "--format",
      format,
      "--metadata",
      "--local",
      to,
      dump,
    ]);
    assertEquals(restored.code, 0, restored.stderr);
    assertStringIncludes(restored.stderr, "the content of this disk is encrypted");
    assertStringIncludes(restored.stderr, '"encryptionKeys", "keyID"');
    using disk = await openForReading(to);
    assertSameBytes(await readByExtents(disk), CONTENT, format);
    assertEquals([...disk.metadata.keys()].filter((key) => /crypt|header|iofilters/i.test(key)), [], format);
  }
  const onto = await callMain(["restore", "--local", path, dump]);
  assertEquals(onto.code, 3, onto.stderr);
  assertEquals((await callMain(["restore", "--local", path, "--allow-encrypted", dump])).code, 0);
});

Deno.test("map and changed read the structure of encrypted disks, with a warning", async () => {
  using folder = new Folder();
  const path = write(folder, { header: ['keyID="1"'] });
  const map = await callMain(["map", path]);
  assertEquals(map.code, 0, map.stderr);
  assertStringIncludes(map.stderr, "(keyID)");

  folder.file("delta", buildCowd(CONTENT).bytes);
  const hint = 'parentFileNameHint="disk.vmdk"';
  const text = descriptorText(['RW 16 VMFSSPARSE "delta"'], { header: [hint] });
  const child = folder.file("child.vmdk", text.replace("parentCID=ffffffff", "parentCID=3f2a90c1"));
  const bitmap = folder.file("changed.bmp");
  const changed = await callMain(["changed", child, "--since", path, "--bmpout", bitmap]);
  assertEquals(changed.code, 0, changed.stderr);
  assertStringIncludes(changed.stderr, "(keyID)");
});
