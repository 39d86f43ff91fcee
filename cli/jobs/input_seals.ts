/** The seals beside the inputs of a job: what each input must be, and the warnings that follow from seals. */

import { formatSeriesId } from "../archive/header.ts";
import type { PublicKey } from "../archive/minisign/public_key.ts";
import type { Seal } from "../archive/seal.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import type { ArchiveIdentity } from "../pipeline/chain.ts";
import type { Input } from "./input_file.ts";
import {
  assertSealed,
  type Known,
  type KnownRoot,
  refuseCapacity,
  type Sealed,
  Seals,
  type SignedBy,
} from "./seals.ts";

/** The parts of a job that its seals need. */
export interface InputSealsParts {
  /** The regular files that are open now. */
  inputs: ReadonlySet<Input>;
  /** The paths of all regular files that were opened, in order. */
  read: ReadonlySet<string>;
  /** The inputs that are objects, by their names. Nothing lies beside them. */
  objects: ReadonlyMap<string, unknown>;
  /** Reports a sentence to the observer of the job. */
  warn(line: string): void;
}

/** Looks up inputs in the seals beside them. */
export class InputSeals {
  readonly #parts: InputSealsParts;
  readonly #seals: Seals;
  readonly #trustedKey?: PublicKey;
  /** False if seals are not to be read. */
  readonly #goesBySeals: boolean;
  /** The number of unreadable seals of which {@linkcode warnOfSeals} has warned. */
  #toldSeals = 0;
  /** The generations for which {@linkcode InputSeals.#warnOfChanges} has warned. */
  readonly #toldChanges = new Set<string>();

  /** Reads no seals if `withoutSeal` is set. If there is a trusted key, only seals that it has signed count. */
  constructor(
    parts: InputSealsParts,
    { trustedKey, withoutSeal }: { trustedKey?: PublicKey; withoutSeal?: boolean },
  ) {
    this.#parts = parts;
    this.#seals = new Seals({ trustedKey });
    this.#trustedKey = trustedKey;
    this.#goesBySeals = withoutSeal !== true;
  }

  /**
   * Returns the entry of an open archive in a seal beside it; undefined if no seal names it.
   *
   * @throws {FormatError | MismatchError} if length or header show that the file is not the one that was
   *   sealed
   */
  async sealed(reader: ArchiveIdentity): Promise<Sealed | undefined> {
    const { sealed, assertIsIt } = await this.entryOf(reader);
    assertIsIt();
    return sealed;
  }

  /** As {@linkcode sealed}, but the file is compared with its entry only when `assertIsIt` is called. */
  async entryOf(reader: ArchiveIdentity): Promise<{ sealed?: Sealed; assertIsIt: () => void }> {
    const input = [...this.#parts.inputs].find(({ source }) => source.path === reader.path);
    if (input === undefined) return { assertIsIt: () => {} };
    const { path, header: { full, seriesId, time } } = reader;
    const bytes = input.before.size;
    const role = full === undefined ? "digest" : full ? "dump" : "rdiff";
    const known = { role, series: formatSeriesId(seriesId), time: formatTimeStamp(time), bytes } as const;
    const sealed = await this.sealOf(path, known);
    if (sealed !== undefined) {
      const assertIsIt = () => {
        assertSealed(sealed, reader, bytes);
        if (role !== "rdiff") this.#warnOfChanges(path, sealed.seal);
      };
      return { sealed, assertIsIt };
    }
    const { capacityBytes } = reader.header;
    const other = capacityBytes !== undefined && this.#goesBySeals
      ? await this.#seals.otherCapacity(path, { series: known.series, capacityBytes })
      : undefined;
    return { assertIsIt: () => void (other && refuseCapacity(reader, other)) };
  }

  /**
   * Returns how the disk of a generation changed while it was dumped, as the seals beside the inputs record
   * it, and warns that `path` is of this generation. Returns undefined if the disk did not change, or no seal
   * says so.
   */
  async changesOf(
    path: string,
    generation: { series: string; time: string },
  ): Promise<string | undefined> {
    const changed = this.#goesBySeals
      ? await this.#seals.changedOf([...this.#parts.read], generation)
      : undefined;
    if (changed !== undefined) this.#warnOfChanges(path, { ...generation, source: { changed } });
    return changed;
  }

  /** Warns, once for each generation, if its disk changed while the dump read it. */
  #warnOfChanges(path: string, { source, series, time }: Pick<Seal, "source" | "series" | "time">): void {
    const generation = `${series} ${time}`;
    if (source.changed === undefined || this.#toldChanges.has(generation)) return;
    this.#toldChanges.add(generation);
    this.#parts.warn(
      `"${path}" is of a disk that changed while it was read (${source.changed}), and may be of no use as a whole`,
    );
  }

  /** Returns the entry of a file in a seal of its folder. Without `known`, the name of the file decides. */
  async sealOf(path: string, known?: Known): Promise<Sealed | undefined> {
    return this.#goesBySeals ? await this.#seals.of(path, known) : undefined;
  }

  /** Returns the roots that the seals beside `paths` record for a generation. Nothing lies beside objects. */
  async rootsOf(
    paths: readonly string[],
    generation: { series: string; time: string },
  ): Promise<KnownRoot[]> {
    if (!this.#goesBySeals) return [];
    return await this.#seals.rootsOf(paths.filter((path) => !this.#parts.objects.has(path)), generation);
  }

  /** Warns of seals that could not be read, once for each: the job continues without them. */
  warnOfSeals(): void {
    for (const { message } of this.#seals.unreadable.slice(this.#toldSeals)) this.#parts.warn(message);
    this.#toldSeals = this.#seals.unreadable.length;
  }

  /** Reads one seal. @throws as {@linkcode Seals.read} */
  readSeal(path: string): Promise<Seal> {
    return this.#seals.read(path);
  }

  /** The seals that were read and that the trusted key has signed. */
  get signedSeals(): readonly SignedBy[] {
    return this.#seals.signed;
  }

  /**
   * A trusted key was given: only seals that it has signed count, and inputs without such a seal are refused.
   */
  get goesByKey(): boolean {
    return this.#trustedKey !== undefined;
  }

  /** The errors of seals in the folders of the inputs that could not be read. */
  get unreadableSeals(): readonly Error[] {
    return this.#seals.unreadable;
  }
}
