/** Judges how a disturbed run ended, and the folder that it has left. */

import { basename } from "@std/path/posix/basename";
import { EXIT } from "../refusals/refusal.ts";
import { type CountedCall, HARMLESS } from "./calls.ts";
import type { DisturbedRun } from "./disturbed.ts";
import { isHidden } from "./files.ts";
import { FolderJudge } from "./folder_judge.ts";
import { disorderOf } from "./order.ts";
import { brokenBy, type BrokenPledge, hold } from "./pledges.ts";
import type { CaseFolder } from "./case_folder.ts";
import type { World } from "./world.ts";

/** The calls that had a fault. */
export function struckIn({ calls }: DisturbedRun): CountedCall[] {
  return calls.filter(({ fault }) => fault !== undefined);
}

/** Whether the command came to its end. */
export function isDone({ isKilled, code }: DisturbedRun): boolean {
  return !isKilled && code === EXIT.done;
}

/** Whether the command has warned that a new file cannot have the mode of the one that it replaces. */
export function losesModes({ stderr }: DisturbedRun): boolean {
  return stderr.includes("does not keep its mode");
}

/** Returns what is broken. `earlier`: what another disturbed run has left, if there was one. */
export async function judgeRun(
  run: DisturbedRun,
  { world, folder, earlier }: { world: World; folder: CaseFolder; earlier?: FolderJudge },
): Promise<BrokenPledge[]> {
  const isFirst = earlier === undefined;
  const { isHung, isKilled, stderr } = run;
  const files = new FolderJudge(world, folder);
  const looks = [() => hold("end", !isHung, "the command does not end"), () => files.inputs()];
  if (isDone(run)) {
    looks.push(
      () => files.complete("right result", { losesModes: losesModes(run) }),
      () => judgeSyncs(run, world),
      () => judgeLocks(run),
    );
    looks.push(() => judgeProofs(run, world));
    if (isHarmless(run)) looks.push(() => files.leftovers());
    return await brokenBy(looks);
  }
  // Behind such an end, and behind another run, some outputs may have their names and others not.
  const isMixed = isKilled || !isFirst ||
    /not everything could be undone|the next run finishes or undoes the commit/.test(stderr);
  looks.push(() => isMixed ? files.mixed(earlier) : files.failed());
  const isComplete = !isFirst && files.isNew && stderr.includes("exists already");
  if (!isKilled && !isComplete) {
    looks.push(() => judgeCode(run), () => judgeMessage(run, { world, folder, isFirst }));
  }
  return await brokenBy(looks);
}

function isHarmless(run: DisturbedRun): boolean {
  return struckIn(run).every(({ fault }) => HARMLESS.some((harmless) => harmless === fault));
}

/** A sync that fails may only be one that the outputs do not need: all of them are on stable storage without it. */
function judgeSyncs({ calls }: DisturbedRun, { outputs }: World): void {
  const isFailed = ({ kind, fault }: CountedCall) =>
    /sync$/.test(kind) && fault !== undefined && fault !== "EINTR";
  const failed = calls.find(isFailed);
  if (failed === undefined) return;
  // The system reports a loss once, so that a later sync of the same file says nothing.
  const believed = calls.filter((call, i) =>
    !/sync$/.test(call.kind) ||
    !calls.slice(0, i + 1).some((other) => isFailed(other) && other.path === call.path)
  );
  const disorder = disorderOf({ calls: believed, outputs });
  const found = `${failed.kind} of "${failed.path}" failed, and the exit code is 0: ${disorder.join(", ")}`;
  hold("synced", disorder.length === 0, found);
}

/** A disk that is written in place is also locked by itself; that its name is not is a warning. */
function judgeLocks(run: DisturbedRun): void {
  if (run.stderr.includes("nothing keeps other processes from replacing")) return;
  for (const { path } of struckIn(run).filter(({ kind }) => kind === "flock")) {
    // The call that takes the lock was made again, or the one that fails gives it back.
    const isLocked = run.calls.some((call) =>
      call.kind === "flock" && call.path === path && call.fault === undefined
    );
    hold("locked", isLocked, `flock of "${path}" failed, and the command went on without the lock`);
  }
}

/**
 * A seal that cannot be read is not passed over in silence, unless it is read at another time: whether a seal may be replaced
 * is asked of all seals of a folder, after they were read as proofs.
 */
function judgeProofs(run: DisturbedRun, { before }: World): void {
  const unread = struckIn(run).find(({ path, kind, fault, number }) =>
    fault === "EIO" && path.endsWith(".seal.json") && before.has(path) && /^(open|p?read)$/.test(kind) &&
    !run.stderr.includes(basename(path)) &&
    !run.calls.some((call) =>
      call.path === path && call.kind === kind && !call.fault && (kind === "open" || call.number > number)
    )
  );
  hold("proved", unread === undefined, `"${unread?.path}" could not be read, and the exit code is 0`);
}

function judgeCode(run: DisturbedRun): void {
  hold("interruptions", !isHarmless(run), `exit code ${run.code}`);
  hold("exit code", run.code === EXIT.environment, `it is ${run.code}`);
}

function judgeMessage(
  run: DisturbedRun,
  { world, folder, isFirst }: { world: World; folder: CaseFolder; isFirst: boolean },
): void {
  const { stderr, stdout } = run;
  const isReport = world.scenario.replaces === "report";
  const line = stderr.trimEnd().split("\n").at(-1)!;
  const isClear = isReport || /^vmdkbkp: \S/.test(line);
  hold("message", isClear && !/^ +at /m.test(stderr), "there is no clear last line");
  const known = [...world.before.keys(), ...world.outputs].filter((path) => !isHidden(path)).map((path) =>
    basename(path)
  );
  const paths = [...new Set(struckIn(run).map(({ path }) => path))];
  const names = paths.flatMap((path) => path === "." ? [folder.path] : namesOf(path, known));
  // Files of another run are in the way of the one that is to be written.
  if (!isFirst) names.push(...world.outputs.map((path) => basename(path)));
  const text = isReport ? stderr + stdout : line;
  hold("message", names.some((name) => text.includes(name)), `none of ${names.join(", ")} is named`);
}

/** What a message can call the file at `path`: a hidden one by the output that it is for. */
function namesOf(path: string, known: readonly string[]): string[] {
  const found = known.filter((name) => basename(path).includes(name));
  const longest = Math.max(...found.map((name) => name.length));
  return found.length === 0 ? [path] : found.filter((name) => name.length === longest);
}
