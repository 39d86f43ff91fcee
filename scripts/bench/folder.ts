/** The folder for all files of a benchmark. */

import { killRunning } from "./process.ts";

const EXIT_BY_SIGNAL = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** A temporary folder, in memory if there is /dev/shm. It is always removed, also after a signal. */
export class BenchFolder implements Disposable {
  /** Path of the folder. */
  readonly path: string;
  /** Whether the folder is in memory. */
  readonly inMemory: boolean;
  readonly #listeners: [Deno.Signal, () => void][] = [];

  constructor() {
    const parent = ["/dev/shm", Deno.env.get("TMPDIR") ?? "/tmp"].find(isFolder);
    this.inMemory = parent === "/dev/shm";
    this.path = Deno.makeTempDirSync({ dir: parent, prefix: "vmdkbkp-bench-" });
    for (const [signal, exitCode] of Object.entries(EXIT_BY_SIGNAL) as [Deno.Signal, number][]) {
      const leave = async () => {
        // A command that is still running would make more files.
        await killRunning();
        this[Symbol.dispose]();
        Deno.exit(exitCode);
      };
      Deno.addSignalListener(signal, leave);
      this.#listeners.push([signal, leave]);
    }
  }

  [Symbol.dispose](): void {
    for (const [signal, leave] of this.#listeners.splice(0)) Deno.removeSignalListener(signal, leave);
    remove(this.path);
  }
}

/** Removes a file, or a folder with its files, if it exists. */
export function remove(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Returns the bytes of a file, or of all files in a folder together. */
export function bytesIn(path: string): number {
  const { isDirectory, size } = Deno.statSync(path);
  if (!isDirectory) return size;
  return [...Deno.readDirSync(path)].reduce((sum, { name }) => sum + bytesIn(`${path}/${name}`), 0);
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
