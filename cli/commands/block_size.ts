/** The option `--blocksize`. */

import { assertBlockBytes } from "../archive/header.ts";
import { UsageError } from "../errors.ts";

/** The number of bytes that the option gives; undefined without it. @throws {UsageError} if no block has that size */
export function blockBytesOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9][0-9]{0,15}$/.test(text)) {
    throw new UsageError(`Cannot use --blocksize "${text}": it is not a number of bytes`);
  }
  const blockBytes = Number(text);
  try {
    assertBlockBytes(blockBytes);
  } catch (cause) {
    throw new UsageError(`Cannot use --blocksize "${text}": ${(cause as Error).message}`, { cause });
  }
  return blockBytes;
}
