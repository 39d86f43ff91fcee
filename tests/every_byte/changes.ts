/** Every change of one byte that a file can suffer, and what a check makes of it. */

import { Core } from "../../cli/core.ts";
import { FormatError, MismatchError } from "../../cli/errors.ts";
import { DigestReader, DumpReader } from "../../cli/pipeline/archive_reader.ts";
import { Chain } from "../../cli/pipeline/chain.ts";
import { check } from "../../cli/pipeline/check.ts";
import type { MemoryFile } from "../pipeline/memory_file.ts";
import { concat } from "../refusals/material.ts";

/** A list of archives, newest first, and the digest that proves it. */
export interface Proof {
  archives: MemoryFile[];
  digest: MemoryFile;
}

/** A change of a file at one byte. */
export interface Change {
  what: string;
  at: number;
  bytes: Uint8Array;
}

/** A flip of each bit, a byte left out, a cut in front of the byte, and two bytes put in front of it. */
export const CHANGES_PER_BYTE = 12;

/** The change of `bytes` with this number, from 0 to below `CHANGES_PER_BYTE` for each byte. */
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

/** Checks archives in memory. */
export class Checker {
  readonly #core: Core;
  readonly #memory: number;

  private constructor(core: Core) {
    this.#core = core;
    this.#memory = core.mark();
  }

  static async create(): Promise<Checker> {
    return new Checker(await Core.load());
  }

  /** Whether a check says that all is well. @throws {Error} if it fails otherwise than with a verdict */
  async isOk({ archives, digest }: Proof): Promise<boolean> {
    this.#core.release(this.#memory);
    using scope = new DisposableStack();
    try {
      const readers: DumpReader[] = [];
      for (const file of archives) {
        readers.push(await DumpReader.open(this.#core, scope.use(await file.source())));
      }
      const chain = new Chain(readers);
      const reader = await DigestReader.open(this.#core, scope.use(await digest.source()));
      return (await check(this.#core, { chain, digest: reader })).badBlocks === 0;
    } catch (error) {
      if (error instanceof FormatError || error instanceof MismatchError) return false;
      throw error;
    }
  }
}
