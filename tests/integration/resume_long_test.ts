import { testKills, testLeftovers } from "./resume_cases.ts";

testLeftovers({ scale: 3, cuts: 12 });
testKills({ sizeBytes: 128 * 1024 * 1024, kills: 12, threadCounts: [1, 4] });
