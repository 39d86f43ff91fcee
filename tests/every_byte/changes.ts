/** The changes of one byte of a file that the tests try, and checks of archives in memory. */

import { Core } from "../../cli/core.ts";
import { FormatError, MismatchError } from "../../cli/errors.ts";
import { DigestReader, DumpReader } from "../../cli/pipeline/archive_reader.ts";
import { Chain } from "../../cli/pipeline/chain.ts";
import { check } from "../../cli/pipeline/check.ts";
import type { MemoryFile } from "../pipeline/memory_file.ts";
import { concat } from "../refusals/material.ts";

/** A chain of archives and the digest that proves it. */
export interface Proof {
  /** The archives, newest first. */
  archives: MemoryFile[];
  /** The digest of the generation to which the archives lead. */
  digest: MemoryFile;
}

/** A changed file. */
export interface Change {
  /** Description of the change, for messages. */
  what: string;
  /** Offset of the byte that was changed. */
  at: number;
  /** All bytes of the changed file. */
  bytes: Uint8Array;
}

/**
 * How many changes there are of each byte: each of its bits is flipped, the byte is left out, the file is cut
 * before it, or a byte is inserted before it (a copy of it, or a zero byte).
 */
export const CHANGES_PER_BYTE = 12;

/** Returns the change of `bytes` with a number from 0 to `CHANGES_PER_BYTE * bytes.length - 1`. */
export function changeOf(bytes: Uint8Array, number: number): Change {
  const at = Math.floor(number / CHANGES_PER_BYTE);
  const kind = number % CHANGES_PER_BYTE;
  const [before, byte, after] = [bytes.subarray(0, at), bytes[at], bytes.subarray(at + 1)];
  if (kind < 8) {
    return { what: `bit ${kind} flipped`, at, bytes: concat(before, [byte ^ (1 << kind)], after) };
  }
  if (kind === 8) return { what: "left out", at, bytes: concat(before, after) };
  if (kind === 9) return { what: "cut", at, bytes: before };
  const inserted = kind === 10 ? byte : 0;
  return { what: `${inserted} put in front`, at, bytes: concat(before, [inserted, byte], after) };
}

/** Checks archives in memory, one proof after the other, on one core. */
export class Checker {
  readonly #core: Core;

  private constructor(core: Core) {
    this.#core = core;
  }

  /** Starts the core. */
  static async create(): Promise<Checker> {
    return new Checker(await Core.load());
  }

  /**
   * Returns whether a check finds no damage.
   *
   * @throws {Error} if the check fails for another reason than damage
   */
  async isOk({ archives, digest }: Proof): Promise<boolean> {
    await using core = this.#core.scope();
    using scope = new DisposableStack();
    try {
      const readers: DumpReader[] = [];
      for (const file of archives) {
        readers.push(await DumpReader.open(core, scope.use(await file.source())));
      }
      const chain = new Chain(readers);
      const reader = await DigestReader.open(core, scope.use(await digest.source()));
      return (await check(core, { chain, digest: reader })).badBlocks === 0;
    } catch (error) {
      if (error instanceof FormatError || error instanceof MismatchError) return false;
      throw error;
    }
  }
}
