/** Holds what a command says against what a world knows. */

import { basename } from "@std/path/posix/basename";
import { atTime } from "../support/clock.ts";
import { callMain } from "../support/run_cli.ts";
import { type Known, md5sOf } from "./known.ts";
import type { Scene } from "./scene.ts";

/** What commands came to. */
export interface Tally {
  /** Exit code 0, a proof, and what came of it is right. */
  right: number;
  /** Exit code 0, and the report says that nothing proves it. */
  unproved: number;
  /** Another exit code, with a clear message. */
  refused: number;
}

/** What the JSON of a command tells that has made something of a generation. */
export interface Told {
  proof?: string;
  series: string;
  time: string;
  blockSize: number;
  capacity: number;
  /** Files without a seal. */
  unsealed?: string[];
  /** The paths of the seals that were written. */
  seals?: string[];
}

/** A command that ended with 0, or with another code that is expected, and its JSON. */
export interface Done<T = Told> {
  line: string;
  code: number;
  told: T;
}

/** What of a result is looked at. */
export interface Result {
  /** MD5s of the blocks. */
  md5s: readonly string[];
  blockBytes: number;
  capacityBytes?: number;
  adapterType?: number;
  metadata?: Readonly<Record<string, string>>;
}

/** One case: runs commands on a scene, and judges what they say. */
export class Judge {
  readonly scene: Scene;
  readonly tally: Tally;
  /** Generations that this case has made itself. */
  readonly more: Known[] = [];
  readonly #damage: readonly string[];
  readonly #name: string;
  readonly #now: Date;

  constructor(
    scene: Scene,
    { name, damage, tally }: { name: string; damage: readonly string[]; tally: Tally },
  ) {
    this.scene = scene;
    this.tally = tally;
    this.#name = name;
    this.#damage = damage;
    this.#now = new Date(scene.world.now.getTime() + 3600_000);
  }

  /**
   * Whether nothing was damaged, and nothing may be refused: of two generations of one second the one without a seal is taken
   * for the other one, changed.
   */
  get isIntact(): boolean {
    const { generations, sealing } = this.scene.world;
    const hasTwins = generations.some((one) => this.knownAs(one).length > 1);
    return this.#damage.length === 0 && (sealing === "sealed" || !hasTwins);
  }

  /**
   * Runs a command line with `--json`; undefined if it was refused, which it may be where something is damaged, and with a
   * message of the form `refusal` always.
   */
  async run<T = Told>(
    args: readonly string[],
    { accepts = [0], refusal }: { accepts?: number[]; refusal?: RegExp } = {},
  ): Promise<Done<T> | undefined> {
    const line = args.map((word) => word.startsWith("/") ? basename(word) : word).join(" ");
    const { code, stdout, stderr } = await atTime(this.#now, () => callMain([...args, "--json"]));
    const said = `${line}: exit code ${code}\n${stdout}${stderr}`;
    if (!accepts.includes(code)) {
      this.demand([1, 2, 3, 6].includes(code), said);
      const isClear = code === 6 || /"command":"(check|salvage)"/.test(stdout) ||
        /^vmdkbkp: [A-Z"]/m.test(stderr);
      this.demand(isClear && !/TypeError|not a function|Cannot read prop|\.ts:\d/.test(stderr), said);
      this.demand(!this.isIntact || refusal?.test(stderr) === true, `nothing is damaged: ${said}`);
      this.tally.refused++;
      return undefined;
    }
    try {
      return { line, code, told: JSON.parse(stdout) };
    } catch {
      return this.fail(said);
    }
  }

  /** The generations of a series and a time: two, if they are of one second. */
  knownAs({ series, time }: { series: string; time: string }): Known[] {
    return this.#all.filter((one) => one.series === series && one.time === time);
  }

  /**
   * The generations that something may be which a report calls by a name. Where the name comes from a header that the report
   * calls unsealed, and a digest with the same header proves the blocks, it may be any.
   */
  candidates(
    named: { series: string; time: string; root?: string },
    { isTold }: { isTold: boolean },
  ): Known[] {
    const { root } = named;
    if (root !== undefined) return this.knownAs(named).filter((one) => one.root === root);
    return isTold ? this.#all : this.knownAs(named);
  }

  get #all(): Known[] {
    return [...this.scene.world.generations, ...this.more];
  }

  /**
   * Judges what a command has made: unless the report calls it unproved, it must be what the generation was that the report
   * names; and so must be the metadata, unless the report names the file that they are from among those without a seal, or `seal`
   * sealed it as it was found.
   */
  judge({ line, told }: Done, result: Result, metadataFrom?: string): void {
    if (told.proof === "nothing") {
      this.tally.unproved++;
      return;
    }
    const said = `${line}: proof ${told.proof}, unsealed ${told.unsealed?.map((path) => basename(path))}`;
    const isTold = metadataFrom !== undefined && told.unsealed?.includes(metadataFrom) === true;
    const isClaimed = metadataFrom === undefined || this.claimsMetadata(told, metadataFrom);
    const named = this.candidates(told, { isTold: isTold && told.proof === "digest" });
    const right = named.filter(({ md5s }) => sameList(md5s, result.md5s));
    this.demand(right.length > 0, `${said}: these are not the blocks of ${told.series} ${told.time}`);
    if (isClaimed) {
      this.demand(
        right.some((one) => hasMetadata(one, result)),
        `${said}: wrong capacity, adapter or metadata for ${told.time}: ${
          JSON.stringify({ ...result, md5s: 0 })
        } ` +
          `instead of ${
            right.map((one) => JSON.stringify({ ...one, md5s: 0, disk: one.disk.length })).join(" or ")
          }`,
      );
    }
    this.tally.right++;
  }

  /** Whether a report answers for the metadata that are from a file: the file has a seal, and was not changed before that. */
  claimsMetadata({ unsealed = [] }: Pick<Told, "unsealed">, path: string): boolean {
    return !unsealed.includes(path) && !this.scene.isSealedAsFound(path);
  }

  /** Judges a disk by its bytes, and what else is known of it. */
  judgeDisk(
    done: Done,
    disk: Uint8Array,
    others: Pick<Result, "adapterType" | "metadata"> & { metadataFrom?: string },
  ): void {
    const blockBytes = Number(done.told.blockSize);
    const { metadataFrom, ...more } = others;
    this.judge(
      done,
      { md5s: md5sOf(disk, blockBytes), blockBytes, capacityBytes: disk.length, ...more },
      metadataFrom,
    );
  }

  /** @throws {Error} with the case, unless the condition holds */
  demand(condition: boolean, message: string): asserts condition {
    if (!condition) this.fail(message);
  }

  /** @throws {Error} with the case */
  fail(message: string): never {
    throw new Error(`${this.#name}, after ${this.#damage.join("; ") || "no damage"}: ${message}`);
  }
}

function hasMetadata(one: Known, { blockBytes, capacityBytes, adapterType, metadata }: Result): boolean {
  return one.blockBytes === blockBytes &&
    (capacityBytes === undefined || one.disk.length === capacityBytes) &&
    (adapterType === undefined || one.adapterType === adapterType) &&
    (metadata === undefined ||
      Object.entries(one.metadata).every(([key, value]) => metadata[key] === value));
}

/** Whether both are the same, one by one. */
export function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}
