/** Draws what is to happen to a command, lets it happen, and judges what comes of it. */

import { basename } from "@std/path/posix/basename";
import type { seeded } from "../disks/helpers.ts";
import { canHave, type CountedCall, type Fault, ruleFor } from "./calls.ts";
import { judgeNextRun, judgeReadBack } from "./aftermath.ts";
import type { DisturbedRun } from "./disturbed.ts";
import { FolderJudge } from "./folder_judge.ts";
import { brokenBy, type BrokenPledge } from "./pledges.ts";
import { isDone, judgeRun, losesModes, struckIn } from "./run_judge.ts";
import type { World } from "./world.ts";

type Random = ReturnType<typeof seeded>;

/** How often each fault is drawn. */
const WEIGHTS: Record<Fault, number> = {
  "kill": 14,
  "kill-after": 12,
  "kill-torn": 4,
  "EIO": 18,
  "EIO+": 10,
  "ENOSPC": 7,
  "ENOSPC+": 10,
  "EDQUOT": 4,
  "EDQUOT+": 4,
  "EINTR": 9,
  "short": 4,
  "single": 4,
};

/** A disturbance of a command. */
export interface Case {
  world: World;
  /**
   * As the fault layer takes them. Behind a semicolon are those of another run over what the first one has left, if that
   * did not come to its end.
   */
  rules: string;
  /** The outputs are read before the command runs undisturbed. */
  readsFirst: boolean;
}

/** How a case ended. */
export interface CaseResult {
  /** Whether a call had a fault; the calls may be others than those that were counted. */
  isStruck: boolean;
  isKilled: boolean;
  code: number;
  broken: BrokenPledge[];
  /** The case, so that it can be run again, and what was seen. */
  context: string;
}

/** Draws a case. Rare calls are drawn as often as frequent ones. */
export function drawCase(world: World, random: Random): Case {
  const fault = drawFault(random);
  const readsFirst = random(2) === 0;
  const seed = random(2 ** 20);
  if (fault === "EINTR" && random(2) === 0) {
    return { world, rules: `EINTR@any%${2 + random(3)}:${seed}`, readsFirst };
  }
  if (fault === "short" && random(2) === 0) {
    return { world, rules: `short@any%2:${seed},EINTR@any%4:${seed + 1}`, readsFirst };
  }
  const call = drawCall(world.calls.filter((call) => canHave(call, fault)), random);
  if (call === undefined) return drawCase(world, random);
  const rule = ruleFor(fault, call);
  const isError = fault.startsWith("E") && fault !== "EINTR";
  // What is done behind an error can be cut short as well, and so can what the next run does behind a kill.
  if (isError && random(4) === 0) return { world, rules: `${rule},kill@after:${1 + random(30)}`, readsFirst };
  if (!fault.startsWith("kill") || random(3) > 0) return { world, rules: rule, readsFirst };
  return { world, rules: `${rule};${drawSecond(world, random)}`, readsFirst };
}

/** Something at the beginning, where the next run finds what the first one has left. */
function drawSecond(world: World, random: Random): string {
  const fault = (["kill", "kill-after", "EIO", "ENOSPC+"] as const)[random(4)];
  const call = drawCall(world.calls.filter((call) => canHave(call, fault)), random);
  if (call === undefined) return drawSecond(world, random);
  const { kind, ordinal } = call;
  return ruleFor(fault, { kind, ordinal: random(2) === 0 ? ordinal : 1 + random(Math.min(ordinal, 4)) });
}

function drawFault(random: Random): Fault {
  const entries = Object.entries(WEIGHTS) as [Fault, number][];
  let at = random(entries.reduce((sum, [, weight]) => sum + weight, 0));
  return entries.find(([, weight]) => (at -= weight) < 0)![0];
}

/** What makes the outputs lasting and gives them their names: every other fault is in one of these. */
const COMMITTING = ["create", "fsync", "fdatasync", "ftruncate", "link", "rename", "unlink"];

function drawCall(calls: readonly CountedCall[], random: Random): CountedCall | undefined {
  const committing = random(2) === 0 ? calls.filter(({ kind }) => COMMITTING.includes(kind)) : [];
  const groups = [
    ...Map.groupBy(
      committing.length > 0 ? committing : calls,
      ({ kind, path }) => `${kind} ${basename(path).replace(/[0-9a-f]{8}/, "X")}`,
    ),
  ];
  if (groups.length === 0) return undefined;
  const [, group] = groups[random(groups.length)];
  return group[random(group.length)];
}

/** Runs a case. */
export async function runCase({ world, rules, readsFirst }: Case): Promise<CaseResult> {
  using folder = world.begin();
  const broken: BrokenPledge[] = [];
  const told: string[] = [];
  let run: DisturbedRun | undefined;
  let isStruck = false;
  let hasLostModes = false;
  for (const some of rules.split(";")) {
    if (run !== undefined && isDone(run)) break;
    const earlier = run && new FolderJudge(world, folder);
    run = await folder.disturbed(world.line, some);
    broken.push(...await judgeRun(run, { world, folder, earlier }));
    told.push(...tell(run));
    isStruck ||= struckIn(run).length > 0;
    hasLostModes ||= losesModes(run);
  }
  const { isKilled, code } = run!;
  const looks = [() => judgeNextRun(world, folder, { isDone: isDone(run!), losesModes: hasLostModes })];
  if (readsFirst && !isDone(run!)) looks.unshift(() => judgeReadBack(world, folder));
  broken.push(...await brokenBy(looks));
  const line = `deno run -A --no-check tests/faults/run.ts "${world.name}" "${rules}"${
    readsFirst ? " read" : ""
  }`;
  return { isStruck, isKilled, code, broken, context: [line, ...told].join("\n  ") };
}

/** The first faults of each kind in a run, and its end. */
function tell(run: DisturbedRun): string[] {
  const faults = [...Map.groupBy(struckIn(run), ({ fault }) => fault)].map(([fault, calls]) => {
    const told = calls.slice(0, 3).map(({ kind, ordinal, path }) => `${kind} ${ordinal} of "${path}"`);
    const more = calls.length > told.length ? ` and at ${calls.length - told.length} more` : "";
    return `${fault} at ${told.join(", ")}${more}`;
  });
  const end = run.isKilled ? "killed" : `exit code ${run.code}: ${run.stderr.trim()}`;
  return [...faults, ...end.split("\n")];
}
