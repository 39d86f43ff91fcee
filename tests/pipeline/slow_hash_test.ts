/** A hash of a new archive that is slower than everything else hears what was written, though batches go round meanwhile. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ByteSink, PassingHash } from "../../cli/archive/bytes.ts";
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
  type DrawOptions,
  drawRdiff,
  headerOf,
  openChain,
  openDigest,
  openDump,
} from "./drawn_archives.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MemoryFile } from "./memory_file.ts";

/** Few of them make a batch, so that all memory is used again. */
const LARGE: DrawOptions = { blockBytes: 6 * 1024 * 1024 };
/** All of them make one. */
const SMALL: DrawOptions = { blockBytes: 64 * 1024 };
const OLDER = "ab.cdefgh.ijklmnop";
const NEWER = "aBCcd.fgHHijKLmn.P";

/** Makes the archive of {@linkcode NEWER} in `dumpOut`. */
const WAYS: Record<
  string,
  (core: Core, dumpOut: ByteSink, run: RunOptions, drawn: DrawOptions) => Promise<unknown>
> = {
  "dumpFull()": async (core, dumpOut, run, drawn) => {
    const digestOut = await new MemoryFile("digest").sink();
    const disk = new MemoryDisk(drawDisk(NEWER, drawn));
    await dumpFull(core, { disk, header: headerOf(NEWER, drawn), dumpOut, digestOut }, run);
  },
  "dumpChanged()": async (core, dumpOut, run, drawn) => {
    await dumpChanged(core, {
      disk: new MemoryDisk(drawDisk(NEWER, drawn)),
      header: headerOf(NEWER, drawn),
      dumpIn: await openDump(core, drawDump(OLDER, drawn)),
      digestIn: await openDigest(core, drawDigest(OLDER, drawn)),
      dumpOut,
      digestOut: await new MemoryFile("digest").sink(),
      rdiffOut: await new MemoryFile("rdiff").sink(),
    }, run);
  },
  "merge()": async (core, out, run, drawn) => {
    const older = drawDump(OLDER, { ...drawn, generation: 1 });
    const chain = await openChain(core, older, drawRdiff("_BC__.__HHijKL__.P", drawn));
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
    await make(core, out, { crew }, LARGE);
    assertEquals(file.bytes.length, drawDump(NEWER, LARGE).bytes.length);
    assertEqualBytes(hash.heard, file.bytes, "what the hash heard");
  });

  Deno.test(`${name} fails with a hash that fails once, whenever that is`, async () => {
    const makeWith = async (hash: PassingHash) => {
      const core = await Core.load();
      using out = await sinkFor("new", new MemoryFile("new"), { hash });
      await make(core, out, {}, SMALL);
    };
    let updates = 0;
    await makeWith({ update: () => Promise.resolve(void updates++) });
    for (let failing = 1; failing <= updates; failing++) {
      let told = 0;
      const hash = {
        update: () => ++told === failing ? Promise.reject(new Error("no memory")) : Promise.resolve(),
      };
      await assertRejects(() => makeWith(hash), Error, 'Cannot hash "new": no memory', `update ${failing}`);
    }
    assert(updates > 1, "there is only one update");
  });
}
