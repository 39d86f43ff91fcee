/** What is said of folders of archives that were checked. */

import { basename } from "@std/path/posix/basename";
import type { Seal } from "../archive/seal.ts";
import type { KnownGeneration } from "../pipeline/generations.ts";
import type { Verdict } from "./check.ts";
import type { Explanation } from "./diagnosis.ts";
import type { Inventory, Item } from "./folder_inventory.ts";
import { unsealedText } from "./seals.ts";
import { blocksText } from "./summary.ts";

/** A generation, and what was seen of it. */
export interface CheckedGeneration extends KnownGeneration {
  /** Its blocks were not read, but something is there that can prove them. */
  looksGood: boolean;
}

/** Adds a series to the verdict; returns it for programs. */
export function reportSeries(
  verdict: Verdict,
  { name, items, seals, generations, explanations }: {
    name: string;
    items: readonly Item[];
    seals: readonly Seal[];
    generations: readonly CheckedGeneration[];
    /** Of files with faults, by their paths. */
    explanations: ReadonlyMap<string, Explanation>;
  },
): Record<string, unknown> {
  const size = items.find(({ header }) => header !== undefined)?.header ?? seals[0];
  const damaged = items.flatMap(({ path, fault }) => fault === undefined ? [] : [{ path, fault }]);
  const unsealed = items.filter(({ sealed }) => sealed === undefined).map(({ path }) => path);
  const restorable = generations.filter(({ chain }) => chain !== undefined);
  verdict.isRight &&= damaged.length === 0 && restorable.length === generations.length;
  verdict.ok &&= verdict.isRight && !generations.some(isUnproved);
  // Chains share most of their archives: of hundreds of generations each name would be made hundreds of times.
  const names = new Map(items.map(({ path }) => [path, basename(path)]));
  verdict.text.push(
    `Series ${name}${size === undefined ? "" : ` (${blocksText(size.blockCount, size.blockBytes)})`}: ` +
      `${countText(generations.length, "generation")}, ${restorable.length} can be restored`,
    ...generations.map((generation) => `  ${nameOf(generation, generations)}  ${stateOf(generation, names)}`),
    ...damaged.flatMap(({ path, fault }) => [
      `  wrong: ${path}: ${fault}`,
      ...(explanations.get(path)?.text ?? []).map((line) => `    ${line}`),
    ]),
    ...unsealedText(unsealed),
  );
  verdict.suites.push({
    name,
    cases: generations.map((generation) => ({
      name: nameOf(generation, generations),
      ...(generation.chain === undefined
        ? { failure: `it cannot be restored: ${generation.reasons.join("; ")}` }
        : {}),
      ...(isUnproved(generation) ? { skipped: "neither a digest nor a seal proves it" } : {}),
    })),
  });
  noteFiles(verdict, damaged);
  return {
    series: name,
    generations: generations.map(({ time, root, chain, reasons, proved }) => ({
      time,
      ...(root === null ? {} : { root }),
      restorable: chain !== undefined,
      ...(chain === undefined ? { reasons } : { archives: chain, proved }),
    })),
    faults: damaged.map(({ path, fault }) => ({ path, fault, diagnosis: explanations.get(path)?.json })),
    unsealed,
  };
}

/** Adds the files that are of no series. To be called when all series are reported. */
export function reportFiles(
  verdict: Verdict,
  { folders, inventory }: { folders: readonly string[]; inventory: Inventory },
): void {
  const { items, seals, unreadable, skippedCount } = inventory;
  verdict.text.push(...unreadable.map(({ path, fault }) => `Not readable: ${path}: ${fault}`));
  noteFiles(verdict, unreadable);
  if (unreadable.length > 0) verdict.ok = verdict.isRight = false;
  if (skippedCount > 0) verdict.text.push(`Skipped: ${countText(skippedCount, "file")} of other kinds`);
  if (items.length > 0 || seals.length > 0) return;
  // Nothing is no good backup.
  verdict.ok = verdict.isRight = false;
  const failure = `No archives in ${folders.join(", ")}`;
  verdict.text.push(failure);
  verdict.suites.push({ name: "folders", cases: [{ name: "archives", failure }] });
}

/** A suite of its own for the files that are wrong, whether a generation is lost with them or not. */
function noteFiles({ suites }: Verdict, files: readonly { path: string; fault: string }[]): void {
  if (files.length === 0) return;
  const cases = files.map(({ path, fault }) => ({ name: path, failure: fault }));
  const at = suites.findIndex(({ name }) => name === "files");
  if (at < 0) suites.push({ name: "files", cases });
  else suites[at] = { name: "files", cases: [...suites[at].cases, ...cases] };
}

/** The time; of two generations of one second, with the root. */
function nameOf({ time, seconds, root }: KnownGeneration, all: readonly KnownGeneration[]): string {
  const isAlone = all.filter((other) => other.seconds === seconds).length === 1;
  return isAlone || root === null ? time : `${time} (root ${root.slice(0, 12)})`;
}

function isUnproved({ chain, proved, looksGood }: CheckedGeneration): boolean {
  return chain !== undefined && !proved && !looksGood;
}

function stateOf(generation: CheckedGeneration, names: ReadonlyMap<string, string>): string {
  const { chain, reasons, proved } = generation;
  if (chain === undefined) return `LOST: ${reasons.join("; ")}`;
  const state = proved ? "good" : isUnproved(generation) ? "not proved" : "looks good";
  return `${state}: ${chain.map((path) => names.get(path)).join(" ")}`;
}

function countText(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
