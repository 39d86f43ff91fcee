import { testWith } from "../support/skip.ts";
import { MISSING_VSPHERE_SERVER } from "./remote_world.ts";
import { backUpInRounds } from "./rounds.ts";

for (const [seed, vcenter] of [[1, false], [2, true]] as const) {
  testWith(
    { missing: MISSING_VSPHERE_SERVER },
    `50 incremental dumps have exactly what a machine wrote before each snapshot, ${
      vcenter ? "vCenter" : "ESXi"
    }`,
    () => backUpInRounds({ rounds: 50, seed, vcenter }),
  );
}
