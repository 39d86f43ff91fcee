/** Judges the files of a folder by what was there before a command, and what the command makes undisturbed. */

import { type Files, isHidden, isSameFile, visible } from "./files.ts";
import { hold, type Pledge } from "./pledges.ts";
import type { CaseFolder } from "./case_folder.ts";
import type { World } from "./world.ts";

/** The files of one moment. */
export class FolderJudge {
  readonly #world: World;
  readonly #folder: CaseFolder;
  readonly #files: Files;
  /** Which outputs are the new ones, as far as that was asked. */
  readonly #known = new Map<string, boolean>();

  constructor(world: World, folder: CaseFolder) {
    this.#world = world;
    this.#folder = folder;
    this.#files = folder.files();
  }

  /** What the command reads is as it was. */
  inputs(): void {
    for (const [path, bytes] of this.#world.before) {
      if (this.#world.outputs.includes(path) || isHidden(path)) continue;
      hold("inputs", isSameFile(this.#files.get(path), bytes), `"${path}" is another one`);
    }
  }

  /** Whether every output is the new one. */
  get isNew(): boolean {
    return this.#world.outputs.every((path) => this.#isNew(path));
  }

  /**
   * Each output is the old or the new one, and of the old ones none is lost: a run that was killed may have left that.
   * `earlier`: what another disturbed run has left. Its outputs are as good as the old ones, and
   * if all of them are new they may have taken their place.
   */
  mixed(earlier?: FolderJudge): void {
    const { before, outputs, scenario } = this.#world;
    // A disk that is written in place is neither until it is written to its end.
    if (scenario.replaces === "disk") return;
    for (const path of outputs) {
      const isEarlier = earlier !== undefined && isSameFile(this.#files.get(path), earlier.#files.get(path));
      const isWhole = this.#isOld(path) || this.#isNew(path) || isEarlier ||
        (scenario.replaces === "report" && this.#isReportOfFailure(path));
      hold("nothing partial", isWhole, `"${path}" is neither the old nor the new one`);
    }
    this.#others();
    if (this.isNew) return;
    const present = [...this.#files.values()];
    // A report is also replaced by one that says why the command failed.
    const isReplaced = (path: string) => scenario.replaces === "report" && this.#isReportOfFailure(path);
    const lostOf = (old: Files) =>
      outputs.filter((path) => old.has(path) && !isReplaced(path))
        .filter((path) => !present.some((bytes) => isSameFile(bytes, old.get(path))));
    const lost = lostOf(before);
    if (lost.length === 0 || (earlier?.isNew && lostOf(earlier.#files).length === 0)) return;
    hold("nothing lost", false, `the "${lost[0]}" that was there is nowhere`);
  }

  /** Checks that all outputs are the old ones or all are the new ones. A message must say why the command failed. */
  failed(): void {
    const { outputs, scenario } = this.#world;
    if (scenario.replaces === "disk") return;
    if (this.isNew && scenario.replaces !== "report") return;
    for (const path of outputs) {
      const isReport = scenario.replaces === "report" && this.#isReportOfFailure(path);
      hold("nothing partial", isReport || this.#isOld(path), `"${path}" is not as it was before`);
    }
    this.#others();
  }

  /** All outputs are the new ones. `losesModes`: a warning says that a file does not keep its mode, so only its owner may read it. */
  complete(pledge: Pledge, { losesModes = false }: { losesModes?: boolean } = {}): void {
    const { outputs, result, modes } = this.#world;
    let content;
    try {
      content = this.#world.contentOf(this.#files, this.#folder.path);
    } catch (error) {
      hold(pledge, false, (error as Error).message);
    }
    for (const path of outputs) {
      hold(pledge, isEqual(content[path], result[path]), `"${path}" holds something else`);
    }
    const found = this.#folder.modes(outputs);
    const areKept = found.every((mode, i) => mode === modes[i] || (losesModes && mode === 0o600));
    hold(pledge, areKept, `the modes are ${octal(found)} and not ${octal(modes)}`);
    this.#others();
  }

  /** There are no hidden files. */
  leftovers(): void {
    const left = [...this.#files.keys()].filter(isHidden);
    hold("no leftovers", left.length === 0, left.join());
  }

  #isReportOfFailure(path: string): boolean {
    const text = new TextDecoder().decode(this.#files.get(path));
    return /^<\?xml[\s\S]*<(failure|error)[\s\S]*<\/testsuites>\s*$/.test(text);
  }

  #others(): void {
    const { before, outputs } = this.#world;
    const others = [...visible(this.#files).keys()]
      .filter((path) => !before.has(path) && !outputs.includes(path));
    hold("nothing partial", others.length === 0, `there are files that nobody asked for: ${others}`);
  }

  #isOld(path: string): boolean {
    return isSameFile(this.#files.get(path), this.#world.before.get(path));
  }

  #isNew(path: string): boolean {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const isNew = this.#hasNewContent(path);
    this.#known.set(path, isNew);
    return isNew;
  }

  /** A seal is compared only if the files that it lists are there. */
  #hasNewContent(path: string): boolean {
    try {
      const content = this.#world.contentOf(this.#files, this.#folder.path, [path]);
      return isEqual(content[path], this.#world.result[path]);
    } catch {
      return false;
    }
  }
}

function octal(modes: readonly number[]): string {
  return modes.map((mode) => mode.toString(8)).join();
}

function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
