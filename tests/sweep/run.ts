/** Runs cases of the long sweeps by their numbers: `deno run -A tests/sweep/run.ts 1000354 2000100-2000120`. */

import { SEALED, UNSEALED } from "./plans.ts";
import { sweep } from "./sweep.ts";

for (const range of Deno.args) {
  const [first, last = first] = range.split("-").map(Number);
  if (!(last >= first)) throw new TypeError(`Cannot run "${range}": a number, or two with "-", is expected`);
  const { sealings } = first < UNSEALED.first ? SEALED : UNSEALED;
  const { tally, faults } = await sweep({ first, cases: last - first + 1, sealings });
  console.log(`${range}: ${JSON.stringify(tally)}`);
  for (const fault of faults) console.log(`  ${fault}`);
}
