import { testWith } from "../support/skip.ts";
import { MISSING_VSPHERE_SERVER } from "./remote_world.ts";
import { backUpInRounds } from "./rounds.ts";

testWith(
  { missing: MISSING_VSPHERE_SERVER },
  "incremental dumps have what a machine wrote before the snapshot, and nothing of what it wrote later",
  () => backUpInRounds({ rounds: 5, seed: 20261201 }),
);
