/** A hash of a new archive that is slower than everything else hears what was written, though batches go round meanwhile. */

import { assertEquals, assertRejects } from "@std/assert";
import type { ByteSink } from "../../cli/archive/bytes.ts";
import { sinkFor } from "../../cli/archive/container.ts";
import { Core } from "../../cli/core.ts";
import { dumpChanged, dumpFull } from "../../cli/pipeline/dump.ts";
import { merge } from "../../cli/pipeline/merge.ts";
import type { RunOptions } from "../../cli/pipeline/run.ts";
import { Crew } from "../../cli/workers/crew.ts";
import { SlowHash } from "../archive/slow_hash.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import {
  drawDigest,
  drawDisk,
  drawDump,
  drawRdiff,
  headerOf,
  openChain,
  openDigest,
  openDump,
} from "./drawn_archives.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MemoryFile } from "./memory_file.ts";

/** Few of them make a batch, so that all memory is used again. */
const DRAWN = { blockBytes: 6 * 1024 * 1024 };
const OLDER = "ab.cdefgh.ijklmnop";
const NEWER = "aBCcd.fgHHijKLmn.P";

/** Makes the archive of {@linkcode NEWER} in `dumpOut`. */
const WAYS: Record<string, (core: Core, dumpOut: ByteSink, run: RunOptions) => Promise<unknown>> = {
  "dumpFull()": async (core, dumpOut, run) => {
    const digestOut = await new MemoryFile("digest").sink();
    const disk = new MemoryDisk(drawDisk(NEWER, DRAWN));
    await dumpFull(core, { disk, header: headerOf(NEWER, DRAWN), dumpOut, digestOut }, run);
  },
  "dumpChanged()": async (core, dumpOut, run) => {
    await dumpChanged(core, {
      disk: new MemoryDisk(drawDisk(NEWER, DRAWN)),
      header: headerOf(NEWER, DRAWN),
      dumpIn: await openDump(core, drawDump(OLDER, DRAWN)),
      digestIn: await openDigest(core, drawDigest(OLDER, DRAWN)),
      dumpOut,
      digestOut: await new MemoryFile("digest").sink(),
      rdiffOut: await new MemoryFile("rdiff").sink(),
    }, run);
  },
  "merge()": async (core, out, run) => {
    const older = drawDump(OLDER, { ...DRAWN, generation: 1 });
    const chain = await openChain(core, older, drawRdiff("_BC__.__HHijKL__.P", DRAWN));
    await merge(core, { chain, out, root: new SlowHash() }, run);
  },
};

for (const [name, make] of Object.entries(WAYS)) {
  Deno.test(`${name} keeps what a slow hash has not heard`, async () => {
    const core = await Core.load();
    using crew = new Crew(core, { threads: 2 });
    const file = new MemoryFile("new");
    const hash = new SlowHash();
    using out = await sinkFor("new", file, { hash });
    await make(core, out, { crew });
    assertEquals(file.bytes.length, drawDump(NEWER, DRAWN).bytes.length);
    assertEqualBytes(hash.heard, file.bytes, "what the hash heard");
  });

  Deno.test(`${name} fails with a hash that fails`, async () => {
    const core = await Core.load();
    let told = 0;
    const hash = {
      update: () => ++told < 4 ? Promise.resolve() : Promise.reject(new Error("no memory")),
    };
    using out = await sinkFor("new", new MemoryFile("new"), { hash });
    await assertRejects(() => make(core, out, {}), Error, 'Cannot hash "new": no memory');
  });
}
