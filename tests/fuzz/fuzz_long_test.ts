/** Many more cases than in every run of the tests, from other numbers on. */

import { assertEquals } from "@std/assert";
import { countsText, fuzz, SUBJECTS } from "./run.ts";

const FIRST = 10_000_000;
const CASES = 100_000;
/** Their files lie in a file system, which takes its time. */
const CASES_OF_DISKS = 20_000;

for (const name of Object.keys(SUBJECTS)) {
  const cases = name === "disk" ? CASES_OF_DISKS : CASES;
  Deno.test(`${cases} damaged files are refused or read rightly: ${name}`, async () => {
    const counts = await fuzz({ names: [name], first: FIRST, cases });
    console.log(countsText(counts));
    assertEquals(counts[name].accepted + counts[name].refused, cases);
  });
}
