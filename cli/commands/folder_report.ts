/** What is said of folders of archives that were checked. */

import type { CheckedGeneration, CheckedSeries, FolderFindings } from "../jobs/check_folders.ts";
import type { Explanation } from "../jobs/diagnosis.ts";
import type { FolderContent, FolderInventory, FoundArchive } from "../jobs/folder_inventory.ts";
import { isSame, type KnownGeneration } from "../pipeline/generations.ts";
import { diagnosisText } from "./diagnosis_text.ts";
import { diskOf, labelOf, suiteNameOf } from "./disk_label.ts";
import type { TestSuite } from "./junit.ts";
import { signedText, unsealedText } from "./seal_texts.ts";
import { blocksText } from "./summary.ts";

/** What came of a check, for a report. */
export interface Verdict {
  /** Everything is right, and something proves it. */
  ok: boolean;
  /** Nothing is known to be wrong. */
  isRight: boolean;
  /** False if all that is known to be wrong is that the system could not read files. */
  isRead: boolean;
  text: string[];
  json: Record<string, unknown>;
  suites: TestSuite[];
}

/** Makes the report of folders. */
export function reportFolders({ inventory, series, signed }: FolderFindings): Verdict {
  const verdict: Verdict = { ok: true, isRight: true, isRead: true, text: [], json: {}, suites: [] };
  const reports = series.map((checked) => reportSeries(verdict, checked));
  reportFiles(verdict, inventory);
  reportRefusals(verdict, inventory);
  verdict.text.push(...signedText(signed));
  const { folders, unreadable } = inventory;
  verdict.json = { folders, series: reports, signed, unreadable };
  return verdict;
}

/** Adds a series to the verdict; returns it for programs. */
function reportSeries(
  verdict: Verdict,
  { name, items, seals, generations, explanations }: CheckedSeries,
): Record<string, unknown> {
  const size = items.find(({ header }) => header !== undefined)?.header ?? seals[0];
  const damaged = items.flatMap(({ path, fault }) => fault === undefined ? [] : [{ path, fault }]);
  const unsealed = items.filter(({ sealed }) => sealed === undefined).map(({ path }) => path);
  const restorable = generations.filter(({ chain }) => chain !== undefined);
  verdict.isRight &&= damaged.length === 0 && restorable.length === generations.length;
  verdict.ok &&= verdict.isRight && !generations.some(isUnproved);
  const disk = diskOf(seals);
  const paths = items.map(({ path }) => path);
  verdict.text.push(
    `Series ${name}${disk === undefined ? "" : ` of ${disk}`}${
      size === undefined ? "" : ` (${blocksText(size.blockCount, size.blockBytes)})`
    }: ` +
      `${countText(generations.length, "generation")}, ${restorable.length} can be restored`,
    ...generations.map((generation) => `  ${nameOf(generation, generations)}  ${stateOf(generation)}`),
    ...damaged.flatMap(({ path, fault }) => [
      `  wrong: ${path}: ${fault}`,
      ...linesOf(explanations.get(path)).map((line) => `    ${line}`),
    ]),
    ...unsealedText(unsealed),
  );
  verdict.suites.push({
    name: suiteNameOf({ series: name, seals, paths }),
    cases: generations.map((generation) => ({
      name: `${labelOf({ series: name, seals, paths: pathsOf(generation, items) })}, ${
        nameOf(generation, generations)
      }`,
      ...(generation.chain === undefined
        ? { failure: `it cannot be restored: ${generation.reasons.join("; ")}` }
        : {}),
      ...(isUnproved(generation) ? { skipped: "neither a digest nor a seal proves it" } : {}),
    })),
  });
  noteFiles(verdict, damaged);
  return {
    series: name,
    ...(disk === undefined ? {} : { disk }),
    generations: generations.map(({ time, root, chain, reasons, proved }) => ({
      time,
      ...(root === null ? {} : { root }),
      restorable: chain !== undefined,
      ...(chain === undefined ? { reasons } : { archives: chain, proved }),
    })),
    faults: damaged.map(({ path, fault }) => ({ path, fault, diagnosis: explanations.get(path)?.diagnosis })),
    unsealed,
  };
}

function linesOf(explanation: Explanation | undefined): string[] {
  return explanation === undefined ? [] : diagnosisText(explanation);
}

/**
 * Returns the paths of the archives from which a generation can be restored. If there are none, these are the archives and
 * digests of the generation, and if there are none of these either, all files of the series.
 */
function pathsOf(generation: KnownGeneration, items: readonly FoundArchive[]): string[] {
  if (generation.chain !== undefined) return generation.chain;
  const own = items.filter((item) => isSame(item, generation));
  return (own.length > 0 ? own : items).map(({ path }) => path);
}

/** Notes whether nothing is wrong but that the system could not read files. To be called when everything is reported. */
function reportRefusals(verdict: Verdict, { folders, items, unreadable, refused }: FolderInventory): void {
  const faults = [...items, ...unreadable].flatMap(({ fault }) => fault ?? []);
  verdict.isRead = refused.size === 0 || folders.some(isEmpty) ||
    !faults.every((fault) => refused.has(fault));
}

/** Adds the folders, and the files that are of no series. To be called when all series are reported. */
function reportFiles(verdict: Verdict, { folders, unreadable }: FolderInventory): void {
  verdict.text.push(...unreadable.map(({ path, fault }) => `Not readable: ${path}: ${fault}`));
  noteFiles(verdict, unreadable);
  if (unreadable.length > 0) verdict.ok = verdict.isRight = false;
  verdict.text.push(...folders.map((folder) => `Folder ${folder.path}: ${contentText(folder)}`));
  // Nothing is no good backup.
  if (folders.some(isEmpty)) verdict.ok = verdict.isRight = false;
  verdict.suites.push({
    name: "folders",
    cases: folders.map((folder) => ({
      name: folder.path,
      ...(isEmpty(folder) ? { failure: `No archives in ${folder.path}` } : {}),
    })),
  });
}

function isEmpty({ archives, seals, unreadable }: FolderContent): boolean {
  return archives + seals + unreadable === 0;
}

function contentText(folder: FolderContent): string {
  const { archives, seals, unreadable, skipped } = folder;
  return [
    isEmpty(folder) ? "no archives" : `${countText(archives, "archive")}, ${countText(seals, "seal")}`,
    ...(unreadable > 0 ? [`${countText(unreadable, "file")} not readable`] : []),
    ...(skipped > 0 ? [`${countText(skipped, "file")} of other kinds skipped`] : []),
  ].join(", ");
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

function stateOf(generation: CheckedGeneration): string {
  const { chain, reasons, proved } = generation;
  if (chain === undefined) return `LOST: ${reasons.join("; ")}`;
  const state = proved ? "good" : isUnproved(generation) ? "not proved" : "looks good";
  return `${state}: ${chain.join(" ")}`;
}

function countText(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
