/** The results as tables of text. */

import type { Claim } from "./claims.ts";
import type { Figure } from "./figures.ts";
import type { KernelFigure } from "./kernel.ts";
import type { Ratios } from "./targets.ts";

const MIB = 1024 * 1024;

/** Returns a table: the first `left` columns are aligned to the left, the others to the right. */
export function layOut(rows: string[][], { left = 1 }: { left?: number } = {}): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((cell, column) => column < left ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))
      .join("  ")
      .trimEnd()
  ).join("\n");
}

/** Returns the table of a section. Columns that are empty in all rows are left out. */
export function figureTable(figures: Figure[]): string {
  const rows = [
    [
      "",
      "seconds",
      "min..max",
      "x md5sum",
      "x cp",
      "at most",
      "the original",
      "holds",
      "MiB out",
      "peak MiB",
      "cpu s",
    ],
    ...figures.map((figure) => [
      figure.name,
      figure.seconds.toFixed(3),
      `${figure.fastest.toFixed(2)}..${figure.slowest.toFixed(2)}`,
      figure.ratios.md5sum?.toFixed(2) ?? "",
      figure.ratios.cp?.toFixed(2) ?? "",
      ratioText(figure.target?.atMost, " or "),
      ratioText(figure.target?.original, ", "),
      holdsText(figure.holds),
      figure.outputBytes === undefined ? "" : (figure.outputBytes / MIB).toFixed(1),
      figure.peakMib?.toFixed(0) ?? "",
      figure.cpuSeconds?.toFixed(2) ?? "",
    ]),
  ];
  const filled = rows[0].map((_, column) => rows.slice(1).some((row) => row[column] !== ""));
  return layOut(rows.map((row) => row.filter((_, column) => filled[column])));
}

/** Returns the table of the claims. */
export function claimTable(claims: Claim[]): string {
  return layOut([
    ["", "target", "measured", "holds"],
    ...claims.map(({ name, target, measured, holds }) => [
      name,
      target,
      measured ?? "not measured",
      holdsText(holds),
    ]),
  ], { left: 3 });
}

/** Returns the table of the MD5 implementations. */
export function kernelTable(kernel: KernelFigure[]): string {
  return layOut([
    ["", "MiB/s", "core is faster by"],
    ...kernel.map(({ name, mibPerSecond }) => [
      name,
      mibPerSecond.toFixed(0),
      `${(kernel[0].mibPerSecond / mibPerSecond).toFixed(2)} x`,
    ]),
  ]);
}

/** Returns a sentence that says how many targets were reached and names those that were missed. */
export function verdict(checked: { name: string; holds?: boolean }[]): string {
  const missed = checked.filter(({ holds }) => holds === false).map(({ name }) => name);
  const kept = checked.filter(({ holds }) => holds === true).length;
  const unknown = checked.length - kept - missed.length;
  return `${kept} of ${checked.length} targets hold` +
    (unknown > 0 ? `, ${unknown} not measured` : "") +
    (missed.length > 0 ? `, ${missed.length} missed: ${missed.join("; ")}` : "");
}

function holdsText(holds?: boolean): string {
  return holds === undefined ? "" : holds ? "yes" : "NO";
}

function ratioText(ratios: Ratios | undefined, between: string): string {
  return Object.entries(ratios ?? {}).map(([name, ratio]) => `${ratio} ${name}`).join(between);
}
