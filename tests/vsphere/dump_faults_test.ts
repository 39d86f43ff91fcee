/** Dumps through some of the faults of the test server; the long test has all. */

import { assert } from "@std/assert";
import { testWith } from "../support/skip.ts";
import { beginFaults, DUMP_FAULTS, dumpThrough } from "./dump_faults.ts";
import { MISSING_VSPHERE_SERVER } from "./remote_world.ts";

/** One fault of so many is played. */
const SHARE = 9;

testWith(
  { missing: MISSING_VSPHERE_SERVER },
  "a dump through a fault of the server is right, or ends with exit code 4 and leaves nothing",
  async () => {
    await using world = await beginFaults();
    const faults = DUMP_FAULTS.filter(({ kind }, i) => i % SHARE === 0 && kind !== "silence");
    let good = 0;
    for (const [i, fault] of faults.entries()) {
      if (await dumpThrough(world, fault, { isLasting: i % 2 === 0 })) good++;
    }
    assert(good > 0 && good < faults.length, `${good} of ${faults.length} dumps were made`);
  },
);
