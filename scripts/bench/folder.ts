/** The one folder that holds everything a benchmark makes. */

import { killRunning } from "./process.ts";

const EXIT_BY_SIGNAL = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** A temporary folder, in memory where possible; gone on every way out, signals included. */
export class BenchFolder implements Disposable {
  readonly path: string;
  readonly inMemory: boolean;
  readonly #listeners: [Deno.Signal, () => void][] = [];

  constructor() {
    const parent = ["/dev/shm", Deno.env.get("TMPDIR") ?? "/tmp"].find(isFolder);
    this.inMemory = parent === "/dev/shm";
    this.path = Deno.makeTempDirSync({ dir: parent, prefix: "vmdkbkp-bench-" });
    for (const [signal, exitCode] of Object.entries(EXIT_BY_SIGNAL) as [Deno.Signal, number][]) {
      const leave = async () => {
        // A command that still runs would go on to make files.
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

/** Removes a file or a folder with all it holds, if it is there. */
export function remove(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Bytes of a file, or of all files in a folder. */
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
