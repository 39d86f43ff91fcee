import { testKills, testLeftovers } from "./resume_cases.ts";

testLeftovers({ scale: 1, cuts: 1 });
testKills({ sizeBytes: 56 * 1024 * 1024, kills: 2, threadCounts: [4] });
