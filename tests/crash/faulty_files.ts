/**
 * The file system that fails when a test wants it to: while it exists, everything that the program changes in files goes
 * through it. The operations are counted; at one of them something happens.
 */

import { ignoreErrors, lstatIfThere } from "../../cli/files/paths.ts";

/**
 * What happens: `die` is the end, nothing is done from there on, as if the process had been killed; `EIO` is one operation
 * that fails; with `ENOSPC` all fail that need room from there on.
 */
export type Fault = "die" | "EIO" | "ENOSPC";

/** What needs room. */
const GROWING = ["open", "write", "truncate", "link"];

/** One operation, for messages. */
export interface Operation {
  kind: string;
  path: string;
}

const SYSTEM_ERRORS = {
  EIO: "Input/output error (os error 5)",
  ENOSPC: "No space left on device (os error 28)",
};

/** Counts the operations, and lets the `at`-th one fail, or with an error of input and output all that `fails` names. */
export class FaultyFiles implements Disposable {
  readonly operations: Operation[] = [];
  readonly #at: number;
  readonly #fault: Fault;
  readonly #fails: (operation: Operation) => boolean;
  readonly #scope = new DisposableStack();
  #isDead = false;

  constructor(
    { at = Infinity, fault = "die", fails = () => false }: {
      at?: number;
      fault?: Fault;
      fails?: (operation: Operation) => boolean;
    } = {},
  ) {
    this.#at = at;
    this.#fault = fault;
    this.#fails = fails;
    const { openSync, open, renameSync, linkSync, removeSync, chmodSync } = Deno;
    this.#replace({
      openSync: (path: string, options?: Deno.OpenOptions) =>
        this.#do(openKind(path, options), path, () => this.#watched(openSync(path, options), path)),
      open: async (path: string, options?: Deno.OpenOptions) => {
        const file = await this.#do(openKind(path, options), path, () => open(path, options));
        return this.#watched(file, path);
      },
      renameSync: (from: string, to: string) => this.#do("rename", to, () => renameSync(from, to)),
      linkSync: (from: string, to: string) => this.#do("link", to, () => linkSync(from, to)),
      removeSync: (path: string) => this.#do("remove", path, () => removeSync(path)),
      chmodSync: (path: string, mode: number) => this.#do("chmod", path, () => chmodSync(path, mode)),
    });
  }

  /** Whether the fault happened. */
  get happened(): boolean {
    return this.operations.length >= this.#at;
  }

  /** What the fault happened to. */
  get victim(): Operation | undefined {
    return this.operations[this.#at - 1];
  }

  /** The system closes the files of a process that is dead, and with them their locks are gone. */
  [Symbol.dispose](): void {
    this.#scope.dispose();
  }

  #replace(functions: Record<string, unknown>): void {
    const names = Object.keys(functions) as (keyof typeof Deno)[];
    const old = Object.fromEntries(names.map((name) => [name, Deno[name]]));
    Object.assign(Deno, functions);
    this.#scope.defer(() => void Object.assign(Deno, old));
  }

  #watched(file: Deno.FsFile, path: string): Deno.FsFile {
    const { writeSync, write, truncateSync, tryLockSync, close } = file;
    this.#scope.defer(() => ignoreErrors(() => close.call(file)));
    return Object.assign(file, {
      writeSync: (bytes: Uint8Array) =>
        this.#do("write", path, () => writeSync.call(file, bytes), () => writeSync.call(file, half(bytes))),
      write: (bytes: Uint8Array) =>
        this.#do("write", path, () => write.call(file, bytes), () => writeSync.call(file, half(bytes))),
      // The machine stays on, so that nothing is lost, and the test is over sooner.
      syncSync: () => this.#do("sync", path, () => {}),
      truncateSync: (lenBytes?: number) =>
        this.#do("truncate", path, () => truncateSync.call(file, lenBytes)),
      // Deno before 2.5 has none.
      ...(tryLockSync === undefined ? {} : {
        tryLockSync: (exclusive?: boolean) => this.#do("lock", path, () => tryLockSync.call(file, exclusive)),
      }),
    });
  }

  /** `partly` is done where the operation fails. */
  #do<T>(kind: string | undefined, path: string, action: () => T, partly?: () => void): T {
    if (kind === undefined) return action();
    if (this.#isDead) throw new Error("the process is dead");
    const operation = { kind, path: namedPath(path) };
    this.operations.push(operation);
    const count = this.operations.length;
    if (this.#fails(operation)) throw systemError("EIO");
    if (count === this.#at && this.#fault !== "ENOSPC") {
      partly?.();
      if (this.#fault === "EIO") throw systemError("EIO");
      this.#isDead = true;
      throw new Error("the process dies");
    }
    if (this.#fault === "ENOSPC" && count >= this.#at && GROWING.includes(kind)) {
      if (count === this.#at) partly?.();
      throw systemError("ENOSPC");
    }
    return action();
  }
}

/** The path of a file that is reached through the descriptor of its folder. */
function namedPath(path: string): string {
  const [start] = /^(\/proc\/self\/fd\/[0-9]+)(?=\/)/.exec(path) ?? [];
  return start === undefined
    ? path
    : (Deno.readLinkSync(start) + path.slice(start.length)).replace(/\/\.$/, "");
}

/** Only an operation that may change something is one. */
function openKind(
  path: string,
  { write, append, create, createNew }: Deno.OpenOptions = {},
): string | undefined {
  if (!write && !append && !create && !createNew) return undefined;
  return (create || createNew) && lstatIfThere(path) === undefined ? "open" : "reopen";
}

function half(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, bytes.length >> 1);
}

function systemError(code: keyof typeof SYSTEM_ERRORS): Error {
  return Object.assign(new Error(SYSTEM_ERRORS[code]), { code });
}
