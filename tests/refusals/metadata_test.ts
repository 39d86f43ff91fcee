/** What the metadata of a disk must not be able to do. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { Archives, EXIT } from "./refusal.ts";

const DESCRIPTOR = [
  "# Disk DescriptorFile",
  "version=1",
  "CID=12345678",
  "parentCID=ffffffff",
  'createType="monolithicFlat"',
  "",
  "# Extent description",
  'RW 6 FLAT "d0.raw" 0',
  "",
  "# The Disk Data Base",
  "#DDB",
  "",
].join("\n");

/** A flat VMDK over the raw disk of the first generation. */
function archivesWith(...ddb: string[]): Archives {
  return new Archives({ "disk.vmdk": new TextEncoder().encode(`${DESCRIPTOR}${ddb.join("\n")}\n`) });
}

const DUMP = "dump --mode full --blocksize 512 --local disk.vmdk --dumpout new.dump --digestout new.digest";

Deno.test("a disk's own key for the capacity does not become the archive's", async () => {
  for (const value of ["2900", "5", "x"]) {
    using archives = archivesWith(`ddb.vmdkbkp.capacityBytes = "${value}"`, 'ddb.adapterType = "ide"');
    await archives.done(DUMP);
    await archives.done("check --digestin new.digest new.dump");
    await archives.done("restore --create --local back.raw new.dump");
    assertEquals(archives.read("back.raw"), archives.read("d0.raw"), `capacity "${value}"`);
  }
});

Deno.test("metadata that no reader of archives would accept are refused before anything is written", async () => {
  const long = Array.from({ length: 1000 }, (_, i) => `ddb.key${i} = "${"x".repeat(80)}"`);
  const many = Array.from({ length: 5000 }, (_, i) => `ddb.k${i} = ""`);
  for (const ddb of [long, many]) {
    using archives = archivesWith(...ddb);
    await archives.refused(DUMP, { code: EXIT.environment, says: ["metadata pairs", "accepted"] });
  }
});

Deno.test("metadata that a descriptor cannot express are refused before a disk is overwritten", async () => {
  using archives = archivesWith('ddb.adapterType = "ide"', 'ddb.comment = "a,b"');
  await archives.done(DUMP);
  const text = Buffer.from(archives.read("new.dump")).toString("latin1");
  archives.file("odd.dump", Uint8Array.from(text.replace("a,b", 'a"b'), (char) => char.charCodeAt(0)));
  archives.file("d0.raw", new Uint8Array(6 * 512).fill(0xa5));
  await archives.refused("restore --without-seal --local disk.vmdk --metadata odd.dump", {
    code: EXIT.usage,
    says: ["disk.vmdk", "cannot express"],
  });
});

Deno.test("metadata of a raw disk leave an existing VMDK what every disk needs", async () => {
  using archives = archivesWith('ddb.adapterType = "ide"', 'ddb.uuid = "1"');
  await archives.done(
    "dump --mode full --blocksize 512 --local d1.raw --dumpout raw.dump --digestout raw.digest",
  );
  await archives.done("restore --local disk.vmdk --metadata raw.dump");
  const descriptor = new TextDecoder().decode(archives.read("disk.vmdk"));
  for (const key of ["adapterType", "geometry.cylinders", "virtualHWVersion"]) {
    assertStringIncludes(descriptor, `ddb.${key} = `);
  }
  assert(!descriptor.includes("CID=12345678"), "new content, and still the old content id");
});

Deno.test("check finds data behind the capacity, as restore does", async () => {
  using archives = new Archives();
  archives.file("odd.raw", archives.read("d0.raw").slice(0, 5 * 512 + 100));
  await archives.done(
    "dump --mode full --blocksize 512 --local odd.raw --dumpout odd.dump --digestout odd.digest",
  );
  const text = Buffer.from(archives.read("odd.dump")).toString("latin1");
  assertStringIncludes(text, "\x002660\0");
  archives.file(
    "less.dump",
    Uint8Array.from(text.replace("\x002660\0", "\x002600\0"), (char) => char.charCodeAt(0)),
  );
  // The seal has the capacity, too, and is compared first.
  Deno.removeSync(archives.file("odd.seal.json"));
  for (
    const line of ["check --digestin odd.digest less.dump", "restore --create --local back.raw less.dump"]
  ) {
    await archives.refused(line, {
      code: EXIT.corrupt,
      says: ["less.dump", "zeros behind the capacity of 2600"],
    });
  }
});
