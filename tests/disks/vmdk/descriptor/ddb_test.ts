/** The disk data base of a disk that is restored: it refers to nothing that was not restored. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import type { NewDiskFormat } from "../../../../cli/disks/create.ts";
import { openForReading, openForWriting } from "../../../../cli/disks/open.ts";
import {
  cidOf,
  contradictsContentId,
  referencesIn,
  standingAlone,
  withContentId,
} from "../../../../cli/disks/vmdk/descriptor/ddb.ts";
import { callMain } from "../../../support/run_cli.ts";
import { Folder, noise } from "../../helpers.ts";
import { create } from "../../made_disk.ts";
import { descriptorText } from "../builder.ts";

/** Keys that refer to things outside of the disk. */
const REFERENCES: [key: string, value: string][] = [
  ["iofilters", "vmwarelwd"],
  ["IOFilters", "emcspl,vmwarelwd"],
  ["iofilter.vmwarelwd.id", "1"],
  ["sidecars", "vmwarelwd_1,disk-0a1b2c3d.vmfd"],
  ["nativeParentHint", "/vmfs/volumes/ds1/gold/gold.vmdk"],
  ["nativeParentCID", "aabbccdd"],
  ["nativeparentobjectid", "x"],
  ["objectParentUri", "vvol://1122"],
  ["digestFilename", "disk-digest.vmdk"],
  ["uuid.parent", "11111111-2222-3333-4444-555555555555"],
  ["uuid.parentmodification", "11111111-2222-3333-4444-555555555555"],
  ["vmdkbkp.header.keyID", "1"],
];

/** Keys that belong to the disk. */
const OWN: [key: string, value: string][] = [
  ["adapterType", "lsilogic"],
  ["geometry.cylinders", "1"],
  ["geometry.heads", "255"],
  ["geometry.sectors", "63"],
  ["virtualHWVersion", "14"],
  ["uuid", "60 00 C2 99 d3 f5 dc ad-9e 25 3e 89 48 2c 3f de"],
  ["uuid.image", "11111111-2222-3333-4444-555555555555"],
  ["uuid.parent", "00000000-0000-0000-0000-000000000000"],
  ["thinProvisioned", "1"],
  ["toolsVersion", "2147483647"],
  ["comment", "the native parent of all iofilters"],
];

const LONG = "00112233445566778899aabb";

Deno.test("standingAlone() leaves references to other things out, and nothing else", () => {
  const disk = { capacityBytes: 512, adapterType: 3, cid: 7 };
  assertEquals(standingAlone(new Map(OWN), disk), new Map(OWN));
  assertEquals(referencesIn(new Map(OWN)), []);
  for (const [key, value] of REFERENCES) {
    const metadata = new Map([...OWN.filter(([own]) => own !== key), [key, value]]);
    assertEquals(referencesIn(metadata), [key]);
    assertEquals(standingAlone(metadata, disk), new Map(OWN.filter(([own]) => own !== key)), key);
  }
});

Deno.test("withContentId() gives a longContentID the digits of the CID, or leaves it out", () => {
  const cases: [found: string, wanted: string | undefined][] = [
    [`${LONG}0000007b`, `${LONG}0000007b`],
    [`${LONG}fffffffe`, `${LONG}0000007b`],
    [`${LONG.toUpperCase()}ABCDEF01`, `${LONG.toUpperCase()}0000007b`],
    ["7b", undefined],
    ["", undefined],
    [`${LONG}0000007b0`, undefined],
  ];
  for (const [found, wanted] of cases) {
    const metadata = new Map([["longcontentid", found], ["uuid", "1"]]);
    const fitted = withContentId(metadata, 0x7b);
    assertEquals([fitted.get("longcontentid"), fitted.get("uuid")], [wanted, "1"], found);
    assertEquals(contradictsContentId({ metadata, cid: 0x7b }), found !== wanted, found);
    assertEquals(contradictsContentId({ metadata, cid: undefined }), false, found);
    assertEquals(contradictsContentId({ metadata: fitted, cid: 0x7b }), false, found);
  }
});

Deno.test("openForReading() corrects a longContentID that contradicts the CID, with a warning", async () => {
  using folder = new Folder();
  folder.file("f", noise(512, 1));
  for (
    const [long, corrected, count] of [
      [`${LONG}3f2a90c1`, `${LONG}3f2a90c1`, 0],
      [`${LONG}fffffffe`, `${LONG}3f2a90c1`, 1],
      ["nothing", undefined, 1],
    ] as const
  ) {
    const path = folder.file(
      "a.vmdk",
      descriptorText(['RW 1 FLAT "f" 0'], { ddb: [`ddb.longContentID = "${long}"`] }),
    );
    const warnings: string[] = [];
    using disk = await openForReading(path, { warn: (line) => warnings.push(line) });
    assertEquals([disk.metadata.get("longContentID"), warnings.length], [corrected, count], long);
  }
});

Deno.test("createDisk() and writeMetadata() make disks that stand alone", async () => {
  const FORMATS: NewDiskFormat[] = ["monolithicFlat", "vmfs", "monolithicSparse", "streamOptimized"];
  const metadata = new Map([
    ...REFERENCES,
    ...OWN.slice(0, 6),
    ["longContentID", `${LONG}fffffffe`] as const,
  ]);
  for (const format of FORMATS) {
    for (const inCreation of [true, false]) {
      using folder = new Folder();
      const path = folder.file("a.vmdk");
      const options = {
        capacityBytes: 512,
        adapterType: 3,
        format,
        metadata: inCreation ? metadata : undefined,
      };
      await create(path, options, async (disk) => {
        if (!inCreation) await disk.writeMetadata(metadata);
        await disk.write(noise(512, 1), 0);
      });
      using disk = await openForReading(path);
      assertEquals(referencesIn(disk.metadata), [], format);
      assertEquals(cidOf(disk.metadata), disk.cid, format);
    }
  }
});

Deno.test("writeMetadata() of an existing flat VMDK leaves references out and keeps the CID and the longContentID equal", async () => {
  using folder = new Folder();
  for (const digits of ["fffffffe", "0badcafe", undefined]) {
    folder.file("f", noise(512, 1));
    const path = folder.file("a.vmdk", descriptorText(['RW 1 FLAT "f" 0']));
    const long = digits === undefined ? "malformed" : `${LONG}${digits}`;
    for (const isWritten of [false, true]) {
      using disk = await openForWriting(path);
      await disk.writeMetadata(new Map([...REFERENCES, ["longContentID", long]]));
      if (isWritten) await disk.write(noise(512, 2), 0);
      using read = await openForReading(path);
      assertEquals(referencesIn(read.metadata), [], long);
      assertEquals(contradictsContentId(read), false, long);
      if (digits === "0badcafe") assertEquals(read.cid, 0x0badcafe);
    }
  }
});

Deno.test("restore --metadata says which metadata it leaves out, in text and in JSON", async () => {
  using folder = new Folder();
  folder.file("f", noise(512, 1));
  const ddb = ['ddb.iofilters = "vmwarelwd"', 'ddb.sidecars = "x.vmfd"', 'ddb.uuid = "1"'];
  const path = folder.file("a.vmdk", descriptorText(['RW 1 FLAT "f" 0'], { ddb }));
  const [dump, digest] = [folder.file("a.dump"), folder.file("a.digest")];
  const made = await callMain([
    "dump",
    "--mode",
    "full",
    "--local",
    path,
    "--dumpout",
    dump,
    "--digestout",
    digest,
  ]);
  assertEquals(made.code, 0, made.stderr);
  const restored = await callMain([
    "restore",
    "--create",
    "--metadata",
    "--json",
    "--local",
    folder.file("b.vmdk"),
    dump,
  ]);
  assertEquals(restored.code, 0, restored.stderr);
  assertStringIncludes(restored.stderr, 'are left out: "iofilters", "sidecars"');
  assertEquals(JSON.parse(restored.stdout).leftOutMetadata, ["iofilters", "sidecars"]);
  const plain = await callMain(["restore", "--create", "--local", folder.file("c.vmdk"), dump]);
  assertEquals([plain.code, plain.stderr], [0, ""]);
  const inPlace = await callMain(["restore", "--metadata", "--local", folder.file("c.vmdk"), dump]);
  assertEquals(inPlace.code, 0, inPlace.stderr);
  assertStringIncludes(inPlace.stderr, 'are left out: "iofilters", "sidecars"');
  using disk = await openForReading(folder.file("c.vmdk"));
  assertEquals([disk.metadata.get("uuid"), referencesIn(disk.metadata)], ["1", []]);
});
