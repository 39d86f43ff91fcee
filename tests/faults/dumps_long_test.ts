/** Commands that make generations, over files that exist and where there are none, a thousand times. */

import { DUMPS } from "./scenarios.ts";
import { testAll } from "./tests.ts";

testAll("commands that make generations", DUMPS, { cases: 1050 });
