/** Claims: targets that are not about the time of a single row. */

import { blockSizeName, EMPTY_PROGRAM, SPARSE_FACTORS, sparseName, VERSION_ROW } from "./commands.ts";
import type { Figure } from "./figures.ts";
import { GZIP } from "./other_tools.ts";
import type { KernelFigure } from "./kernel.ts";

/** A claim about the results of a run, and whether it holds. */
export interface Claim {
  /** What the claim is about. */
  name: string;
  /** The target, as text. */
  target: string;
  /** The result, as text; undefined if the rows that it needs were not run. */
  measured?: string;
  /** Whether the result reaches the target; undefined if there is no result. */
  holds?: boolean;
}

/** The figures of a whole run, by section. */
export interface Measured {
  /** The MD5 implementations. */
  kernel: KernelFigure[];
  /** The mixed disk. */
  mixed: Figure[];
  /** Starts of programs. */
  start: Figure[];
  /** Sparse disks. */
  sparse: Figure[];
  /** All figures of the run, for the claims about all rows. */
  all: Figure[];
  /** Size of the smallest sparse disk in MiB. */
  mib: number;
}

/** Returns all claims. Those that could not be measured have no result. */
export function claimsOf(measured: Measured): Claim[] {
  return [
    kernelClaim(measured),
    ...sizeClaims(measured),
    peakClaim(measured),
    slopeClaim(measured),
    blockSizeClaim(measured, { kib: 64, atLeast: 0.8 }),
    blockSizeClaim(measured, { kib: 4, atLeast: 0.4 }),
    startClaim(measured),
  ];
}

function kernelClaim({ kernel }: Measured): Claim {
  const speed = (name: string) => kernel.find((figure) => figure.name === name)?.mibPerSecond;
  return compared("speed of the MD5 kernel, one core", {
    value: speed("core"),
    to: speed("node:crypto"),
    of: "node:crypto",
    atLeast: 4.5,
  });
}

function sizeClaims({ mixed }: Measured): Claim[] {
  const bytes = (name: string, output: string) => find(mixed, name)?.sizes[output];
  const gz = bytes("full dump .gz", "new.dump.gz");
  return [
    compared("size of the .gz dump", { value: gz, to: bytes(GZIP, "0.raw.gz"), of: GZIP, atMost: 1.03 }),
    compared("size of the .zst dump", {
      value: bytes("full dump .zst", "new.dump.zst"),
      to: gz,
      of: "the .gz dump",
      atMost: 1,
    }),
  ];
}

function peakClaim({ all }: Measured): Claim {
  const ours = all.filter((figure) => figure.ours && figure.peakMib !== undefined);
  const worst = ours.toSorted((a, b) => b.peakMib! - a.peakMib!).at(0);
  return {
    name: "peak memory, every command and disk",
    target: "below 256 MiB",
    measured: worst && `${worst.peakMib!.toFixed(0)} MiB (${worst.name})`,
    holds: worst && worst.peakMib! < 256,
  };
}

/**
 * The time for each GiB of a sparse disk must not depend on the size of the disk. It is computed from the
 * difference between two sizes, so that the time to start and to compile the core does not count: (t4 - t1) /
 * 3 in comparison with (t16 - t4) / 12, where tN is the time of a disk of N times the size.
 */
function slopeClaim({ sparse, mib }: Measured): Claim {
  const times = SPARSE_FACTORS.map((factor) => find(sparse, sparseName(factor))?.seconds);
  const slopes = SPARSE_FACTORS.slice(1).map((factor, i) => {
    const [from, to] = [times[i], times[i + 1]];
    return from && to && (to - from) / ((factor - SPARSE_FACTORS[i]) * mib / 1024);
  });
  const [small, large] = slopes;
  const known = small !== undefined && large !== undefined;
  return {
    name: `time per GiB from x${SPARSE_FACTORS[1]} to x${SPARSE_FACTORS[2]}`,
    target: `within 15 % of x${SPARSE_FACTORS[0]} to x${SPARSE_FACTORS[1]}`,
    measured: known
      ? `${(large / small).toFixed(2)} x (${large.toFixed(3)} s, ${small.toFixed(3)} s)`
      : undefined,
    holds: known ? Math.abs(large / small - 1) <= 0.15 : undefined,
  };
}

function blockSizeClaim({ mixed }: Measured, { kib, atLeast }: { kib: number; atLeast: number }): Claim {
  const speed = (name: string) => {
    const seconds = find(mixed, name)?.seconds;
    return seconds && 1 / seconds;
  };
  return compared(`speed of a full dump, ${kib} KiB blocks`, {
    value: speed(blockSizeName(kib)),
    to: speed("full dump, plain"),
    of: "1 MiB blocks",
    atLeast,
  });
}

function startClaim({ start }: Measured): Claim {
  return compared(`time of "${VERSION_ROW}"`, {
    value: find(start, VERSION_ROW)?.seconds,
    to: find(start, EMPTY_PROGRAM)?.seconds,
    of: EMPTY_PROGRAM,
    atMost: 2,
  });
}

/**
 * Returns a claim about the ratio of two numbers.
 *
 * @param name what the claim is about
 * @param options the claim is that `value / to` is between `atLeast` and `atMost`; `of` says what `to` is.
 * The claim has no result if one of the numbers is undefined
 */
export function compared(
  name: string,
  { value, to, of, atLeast = -Infinity, atMost = Infinity }: {
    value?: number;
    to?: number;
    of: string;
    atLeast?: number;
    atMost?: number;
  },
): Claim {
  const target = `at ${atMost === Infinity ? `least ${atLeast}` : `most ${atMost}`} x ${of}`;
  if (value === undefined || to === undefined) return { name, target };
  const ratio = value / to;
  return { name, target, measured: `${ratio.toFixed(2)} x`, holds: ratio >= atLeast && ratio <= atMost };
}

function find(figures: Figure[], name: string): Figure | undefined {
  return figures.find((figure) => figure.name === name);
}
