/** Commands that read generations, disturbed some times each; `others_long_test.ts` does it a thousand times. */

import { OTHERS } from "./scenarios.ts";
import { testSome } from "./tests.ts";

testSome("commands that read generations", OTHERS, { casesEach: 3, seed: 20160204 });
