/** Words and numbers that several reports share. */

import { type DigestHeader, type DumpHeader, formatSeriesId } from "../archive/header.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { formatSize } from "./progress.ts";

/** `12 blocks of 1 MiB`. */
export function blocksText(count: number, blockBytes: number): string {
  return `${count} ${count === 1 ? "block" : "blocks"} of ${formatSize(blockBytes)}`;
}

/** `12 blocks of 1 MiB: 5 data, 7 zero`. */
export function contentText(
  { blocks, zeroBlocks }: { blocks: number; zeroBlocks: number },
  blockBytes: number,
): string {
  return `${blocksText(blocks, blockBytes)}: ${blocks - zeroBlocks} data, ${zeroBlocks} zero`;
}

/** `0.52 s, 1.9 GiB/s` for so many bytes of disk. */
export function speedText(bytes: number, seconds: number): string {
  return `${seconds.toFixed(2)} s, ${formatSize(bytes / Math.max(seconds, 0.001))}/s`;
}

/** Seconds since `start` (of `performance.now()`), to the millisecond. */
export function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000;
}

/** What a header says, for `--json`. */
export function headerJson(header: DigestHeader & Partial<DumpHeader>): Record<string, unknown> {
  const { blockCount, blockBytes, capacityBytes, adapterType, full, metadata } = header;
  return {
    kind: full === undefined ? "digest" : full ? "dump" : "rdiff",
    blocks: blockCount,
    blockSize: blockBytes,
    ...(capacityBytes === undefined ? {} : { capacity: capacityBytes }),
    series: formatSeriesId(header.seriesId),
    time: formatTimeStamp(header.time),
    ...(adapterType === undefined ? {} : { adapterType }),
    ...(metadata === undefined ? {} : { metadata: Object.fromEntries(metadata) }),
  };
}
