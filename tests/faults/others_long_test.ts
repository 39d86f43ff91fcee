/** Commands that read generations, over files that exist and where there are none, a thousand times. */

import { OTHERS } from "./scenarios.ts";
import { testAll } from "./tests.ts";

testAll("commands that read generations", OTHERS, { cases: 1050 });
