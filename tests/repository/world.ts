/** A repository of small disks in a temporary folder, and the bytes that its generations must have. */

import { assertEquals } from "@std/assert";
import type { Engine } from "../../cli/jobs/engine.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { backup, type BackupResult } from "../../cli/jobs/repository/backup.ts";
import { checkRepository } from "../../cli/jobs/repository/check.ts";
import { forget } from "../../cli/jobs/repository/forget.ts";
import { listRepository } from "../../cli/jobs/repository/list.ts";
import { restoreFromRepository } from "../../cli/jobs/repository/restore.ts";

/** The bytes of the disks of one generation, by their keys. */
export type Contents = Record<string, Uint8Array<ArrayBuffer>>;

/** Bytes of a block in these repositories. */
export const BLOCK_BYTES = 4096;

/** A machine `m` in a repository. */
export class RepositoryWorld implements Disposable {
  readonly folder: string = Deno.makeTempDirSync({ prefix: "vmdkbkp-repository-" });
  /** The bytes of each generation that was made and not forgotten. */
  readonly wanted = new Map<string, Contents>();
  readonly #engine: Engine;
  readonly #blockBytes: number;
  /** Seconds between the times of generations. */
  #seconds = 0;

  constructor(engine: Engine, { blockBytes = BLOCK_BYTES } = {}) {
    this.#engine = engine;
    this.#blockBytes = blockBytes;
  }

  get repository(): string {
    return `${this.folder}/repository`;
  }

  get machine(): string {
    return `${this.repository}/m`;
  }

  /** Writes the disks and makes a generation of them. `changes`: extents that may have changed, by key. */
  async backup(
    disks: Contents,
    { changes = {}, ...options }: {
      changes?: Record<string, { start: number; length: number }[]>;
      note?: string;
      audit?: number;
      warn?: (line: string) => void;
    } = {},
  ): Promise<BackupResult> {
    const requests = Object.entries(disks).map(([key, bytes]) => {
      const disk = `${this.folder}/${key}.raw`;
      Deno.writeFileSync(disk, bytes);
      if (changes[key] === undefined) return { disk };
      const changed = `${this.folder}/${key}.json`;
      Deno.writeTextFileSync(changed, JSON.stringify(changes[key]));
      return { disk, changed };
    });
    this.#seconds++;
    const result = await backup({
      ...{
        repository: this.repository,
        machine: "m",
        disks: requests,
        blocksize: this.#blockBytes,
        init: true,
      },
      ...{ note: options.note, audit: options.audit },
      now: new Date(Date.UTC(2026, 10, 30, 2, 0, this.#seconds)),
    }, { engine: this.#engine, observer: { warning: options.warn } });
    this.wanted.set(
      result.id,
      Object.fromEntries(Object.entries(disks).map(([key, bytes]) => [key, bytes.slice()])),
    );
    return result;
  }

  /** Removes all generations but those with a note and the newest. */
  async forgetUnnoted(): Promise<void> {
    const { machines: [machine] } = await forget(
      { repository: this.repository, keep: { noted: true } },
      { engine: this.#engine },
    );
    if (machine.problem !== undefined) throw machine.problem;
    for (const { id, reasons } of machine.generations) if (reasons.length === 0) this.wanted.delete(id);
  }

  /** Checks that the list names the wanted generations, and that each restores to its bytes. */
  async assertWhole(hint = ""): Promise<void> {
    assertEquals(await this.listed(), [...this.wanted.keys()].sort().reverse(), hint);
    for (const [id, disks] of this.wanted) {
      assertSameContents(await this.restored(id), disks, `${hint} ${id}`);
    }
  }

  /** The ids that the list has, the newest first. */
  async listed(): Promise<string[]> {
    const { machines } = await listRepository({ repository: this.repository });
    assertEquals(machines.flatMap(({ problems }) => problems), []);
    return machines.flatMap(({ generations }) => generations.map(({ id }) => id));
  }

  /** The bytes of a generation, as a restore writes them. */
  async restored(at: string): Promise<Contents> {
    const folder = Deno.makeTempDirSync({ dir: this.folder });
    const { disks } = await restoreFromRepository(
      { repository: this.repository, machine: "m", at, folder, format: "raw" },
      { engine: this.#engine },
    );
    const contents = disks.map(({ key, disk: { path } }) => [key, Deno.readFileSync(path)]);
    Deno.removeSync(folder, { recursive: true });
    return Object.fromEntries(contents);
  }

  /** The faults that `check` finds. */
  async faults(): Promise<string[]> {
    const { machines, ok } = await checkRepository({ repository: this.repository }, { engine: this.#engine });
    const faults = machines.flatMap((machine) => [
      ...machine.faults,
      ...machine.generations.flatMap(({ faults }) => faults),
    ]);
    assertEquals(ok, faults.length === 0);
    return faults;
  }

  /** All files of the repository, with their modes as octal digits. */
  files(folder: string = this.repository): Map<string, string> {
    const found = new Map<string, string>();
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      const path = `${folder}/${name}`;
      const mode = Deno.lstatSync(path).mode ?? 0;
      found.set(path.slice(this.repository.length + 1), (mode & 0o777).toString(8));
      if (isDirectory) { for (const [file, mode] of this.files(path)) found.set(file, mode); }
    }
    return found;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Compares the disks of a generation. The bytes of large disks are no message. */
export function assertSameContents(actual: Contents, expected: Contents, hint: string): void {
  assertEquals(Object.keys(actual).sort(), Object.keys(expected).sort(), hint);
  for (const [key, bytes] of Object.entries(expected)) {
    assertEqualBytes(actual[key], bytes, `${hint}, disk ${key}`);
  }
}
