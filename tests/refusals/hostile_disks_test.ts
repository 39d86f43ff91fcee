/** VMDKs that promise far more than they hold: refused, or shown, within the memory and the time of every run. */

import { assert, assertStringIncludes } from "@std/assert";
import zlib from "node:zlib";
import { Folder, noise } from "../disks/helpers.ts";
import { buildSparse, descriptorText } from "../disks/vmdk/builder.ts";
import { buildCowd } from "../disks/vmdk/esx_builder.ts";
import { buildStream } from "../disks/vmdk/stream_builder.ts";
import { denoArgs } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";

const MEMORY_LIMIT_KIB = 256 * 1024;
/** Generous, for machines that are busy with other tests; what is measured takes a second or two at most. */
const TIME_LIMIT_MS = 10_000;
const MEASURED_MAIN = new URL("main_with_peak.ts", import.meta.url).pathname;

const missing = Deno.build.os === "linux" ? undefined : "only Linux tells the peak of a process";

/** Writes a disk into the folder; returns what is done to it, and what is said. */
const DISKS: Record<string, (folder: Folder) => { command: string; says: string }> = {
  "grains that inflate to 64 MiB each": (folder) => {
    const bomb = zlib.deflateSync(new Uint8Array(64 << 20));
    folder.file("x.vmdk", buildStream(noise(256 * 65536, 1), { deflate: () => bomb }).bytes);
    return { command: "dump", says: "grain 0 inflates to more than 65536 bytes" };
  },
  "39000 extents": (folder) => {
    folder.file("s", buildSparse(noise(512, 1)).bytes);
    folder.file("c", buildCowd(noise(512, 1)).bytes);
    const lines = Array.from({ length: 39_000 }, (_, i) => `RW 1 SPARSE "${i % 2 === 0 ? "s" : "c"}"`);
    folder.file("x.vmdk", descriptorText(lines));
    return { command: "map", says: "" };
  },
  "more sparse extents than a disk may have": (folder) => {
    folder.file("c", buildCowd(new Uint8Array(9000 * 512)).bytes);
    const lines = Array.from({ length: 9000 }, (_, i) => `RW ${i + 1} SPARSE "c"`);
    folder.file("x.vmdk", descriptorText(lines));
    return { command: "map", says: "it and its parents have more than 8192 sparse extents" };
  },
  "chains of more extents than a disk may have": (folder) => {
    folder.file("c", buildCowd(noise(512, 1)).bytes);
    for (const [name, parent] of [["x.vmdk", "y.vmdk"], ["y.vmdk", "z.vmdk"], ["z.vmdk", "none.vmdk"]]) {
      const lines = Array(30_000).fill('RW 1 SPARSE "c"');
      const text = descriptorText(lines, { header: [`parentFileNameHint="${parent}"`] });
      folder.file(name, text.replace("parentCID=ffffffff", "parentCID=3f2a90c1"));
    }
    return { command: "map", says: "it and its parents have more than 40000 extents" };
  },
  "64 TiB in a directory of four million tables": (folder) => {
    const image = buildSparse(new Uint8Array(512));
    const view = new DataView(image.bytes.buffer);
    view.setBigUint64(12, 2n ** 37n, true);
    view.setBigUint64(20, 64n, true);
    view.setBigUint64(56, 128n, true);
    image.bytes.fill(0, 512, 21 * 512);
    image.bytes.set(new TextEncoder().encode(descriptorText(['RW 137438953472 SPARSE "x"'])), 512);
    const path = folder.file("x.vmdk", image.bytes.subarray(0, 128 * 512));
    Deno.truncateSync(path, 128 * 512 + 2 ** 24);
    return { command: "map", says: "" };
  },
};

for (const [what, write] of Object.entries(DISKS)) {
  testWith({ missing }, `a disk with ${what} takes no more than every run`, async () => {
    using folder = new Folder();
    const { command, says } = write(folder);
    const outputs = [
      "--mode",
      "full",
      "--dumpout",
      folder.file("o.dump"),
      "--digestout",
      folder.file("o.digest"),
    ];
    const start = performance.now();
    const { stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...denoArgs(MEASURED_MAIN),
        command,
        ...(command === "dump" ? outputs : []),
        folder.file("x.vmdk"),
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    const took = performance.now() - start;
    const text = new TextDecoder().decode(stderr);
    assertStringIncludes(text, says);
    const peakKib = Number(/^VmHWM:\s*(\d+) kB$/m.exec(text)?.[1]);
    assert(peakKib < MEMORY_LIMIT_KIB, `${peakKib} KiB`);
    assert(took < TIME_LIMIT_MS, `${took} ms`);
  });
}
