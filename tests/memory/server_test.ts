/** A disk of a server that is read without VMware's library: its connections take no more than is promised. */

import { BLOCK, MIB, MISSING_VSPHERE_SERVER, RemoteWorld } from "../vsphere/remote_world.ts";
import { testWith } from "../support/skip.ts";
import { assertPeak, missing } from "./peak.ts";

const THREADS = ["--threads", "4"];

testWith(
  { missing: missing ?? MISSING_VSPHERE_SERVER },
  "A disk of a server of 300 MiB is dumped in every mode in 256 MiB",
  async () => {
    await using world = await RemoteWorld.create({}, { bytes: 300 * MIB });
    await world.server.control.settings({ noReads: true });
    await world.fill(0, 300 * MIB, 1);
    const f = (name: string) => world.file(name);
    const dump = (mode: string, name: string, ...more: string[]) =>
      assertPeak([
        ...["dump", "--mode", mode, ...world.disk, ...THREADS, ...more],
        ...["--dumpout", f(`${name}.dump.zst`), "--digestout", f(`${name}.digest`)],
      ]);
    const first = await world.server.control.createSnapshot(world.machine, "first");
    await dump("full", "0", "--snapshot", first);
    await world.fill(50 * MIB, 60 * MIB, 2);
    await world.removeSnapshot("first", first);
    const second = await world.server.control.createSnapshot(world.machine, "second");
    const previous = ["--dumpin", f("0.dump.zst"), "--digestin", f("0.digest"), "--snapshot", second];
    await dump("diff", "1_diff", ...previous, "--rdiffout", f("0_diff.rdiff.zst"));
    await dump("incr", "1", ...previous, "--rdiffout", f("0.rdiff.zst"), "--changed-since", "seal");
    // Many small blocks.
    await dump("full", "2", "--snapshot", second, ...BLOCK);
  },
);
