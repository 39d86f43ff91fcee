/** Commands that make generations, disturbed some times each; `dumps_long_test.ts` does it a thousand times. */

import { testSome } from "./tests.ts";
import { DUMPS } from "./scenarios.ts";

testSome("commands that make generations", DUMPS, { casesEach: 4, seed: 20160203 });
