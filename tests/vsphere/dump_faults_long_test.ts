/** Dumps through each fault of the test server, once and lasting. */

import { testWith } from "../support/skip.ts";
import { beginFaults, DUMP_FAULTS, dumpThrough } from "./dump_faults.ts";
import { MISSING_VSPHERE_SERVER } from "./remote_world.ts";

for (const at of new Set(DUMP_FAULTS.map(({ at }) => at))) {
  for (const isLasting of [false, true]) {
    testWith(
      { missing: MISSING_VSPHERE_SERVER },
      `a dump through a fault of ${at} that ${
        isLasting ? "lasts" : "happens once"
      } is right, or ends with exit code 4`,
      async () => {
        await using world = await beginFaults();
        const faults = DUMP_FAULTS.filter((fault) => fault.at === at);
        let good = 0;
        for (const fault of faults) if (await dumpThrough(world, fault, { isLasting })) good++;
        console.log(`${at}: ${good} of ${faults.length} dumped`);
      },
    );
  }
}
