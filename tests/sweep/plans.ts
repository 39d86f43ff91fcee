/** The long sweeps: which cases, in what worlds. */

import type { Plan } from "./sweep.ts";

export const SEALED: Plan = { first: 1_000_000, cases: 1000, sealings: ["sealed", "resealed"] };
export const UNSEALED: Plan = { first: 2_000_000, cases: 1000, sealings: ["unsealed", "mixed"] };
