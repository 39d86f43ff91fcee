/**
 * The process of the disk library. Only this process loads libvixDiskLib. It serves one request after the
 * other, and ends when its standard input ends.
 *
 * Why it is a process and not a thread:
 * - A crash, a hang, or a lasting fault (after a SCSI reservation conflict every read of a session fails)
 *   costs this process, and the program starts another one. In a thread it would cost the archive, and a
 *   thread cannot be ended during a call.
 * - The library finds its bundled libraries by LD_LIBRARY_PATH, which the system reads when a process starts.
 * - The library should be started on the main thread, and disks should be opened, closed and queried on the
 *   same thread. Here all calls are made on it.
 * - The library writes to standard output and changes signal handlers.
 *
 * What it costs: bytes go through memory that both processes map, so each byte is copied once more, on a
 * thread that is idle otherwise. This takes about 0.15 s of processor time for a GiB, and the start takes 0.2
 * s.
 *
 * The signals of a terminal are ignored here. When the program is interrupted or killed, standard input ends,
 * and the disk and the connection are closed in order.
 */

import { type HelperProcess, setUpHelperProcess } from "../../../ffi/helper_process.ts";
import { mapSharedMemory } from "../../../ffi/shared_memory.ts";
import type { ConnectParams, Target } from "../../../ffi/vix/connect_params.ts";
import type { Connection } from "../../../ffi/vix/connection.ts";
import type { DiskHandle, SectorRange } from "../../../ffi/vix/disk_handle.ts";
import { VixDiskLib } from "../../../ffi/vix/vix_disk_lib.ts";
import { VIX, VixError, type VixFault } from "../../../ffi/vix/vix_error.ts";
import { SECTOR_BYTES } from "../../sector.ts";
import type { Answer, Calls, Moved, Request, Transfer } from "./protocol.ts";

/** The name under which vCenter is told of a backup, at most 50 characters. */
const IDENTITY = "vmdkbkp";

/** The functions that a job needs at its end; that they are missing is found at its beginning. */
const NEEDED_TO_WRITE = ["VixDiskLib_Write", "VixDiskLib_Flush"] as const;
const NEEDED_TO_CREATE = ["VixDiskLib_Create", "VixDiskLib_Rename"] as const;

type Served = {
  [Name in keyof Calls]: (request: Calls[Name]["request"]) => Calls[Name]["reply"];
};

/** The library and everything that is open in it. */
class Server implements Served {
  readonly #process: HelperProcess;
  #timeoutSeconds = 0;
  #library?: VixDiskLib;
  #memory?: Deno.PointerObject;
  #target?: Target;
  #params?: ConnectParams;
  #isPrepared = false;
  #connection?: Connection;
  #disk?: DiskHandle;
  /** A new disk that did not get its name yet. */
  #newPath?: string;

  constructor(process: HelperProcess) {
    this.#process = process;
  }

  handle(request: Request): Answer {
    this.#process.endIn(this.#timeoutSeconds);
    try {
      return { value: (this[request.name] as (request: Request) => unknown)(request) };
    } catch (error) {
      return error instanceof VixError ? { failed: faultOf(error) } : { broken: (error as Error).message };
    } finally {
      this.#process.endIn(0);
    }
  }

  start({ libraryPath, libDir, configFile, memory, timeoutSeconds }: Calls["start"]["request"]) {
    this.#timeoutSeconds = timeoutSeconds;
    this.#process.endIn(timeoutSeconds);
    if (memory !== undefined) this.#memory = mapSharedMemory(memory.path, memory.lenBytes);
    const library = new VixDiskLib(libraryPath);
    library.init({ libDir, configFile, log: this.#process.log });
    this.#library = library;
    return { modes: library.transportModes(), missing: library.missing() };
  }

  prepare({ target }: Calls["prepare"]["request"]) {
    const library = this.#started;
    const remarks: string[] = [];
    this.#params = library.params(target);
    let hasFunction = false;
    const isDone = attempt(remarks, () => hasFunction = library.prepareForAccess(this.#params!, IDENTITY));
    this.#isPrepared = isDone && hasFunction;
    return { isPrepared: this.#isPrepared, remarks };
  }

  endAccess({ target }: Calls["endAccess"]["request"]) {
    const library = this.#started;
    const remarks: string[] = [];
    using params = library.params(target);
    attempt(remarks, () => library.endAccess(params, IDENTITY));
    return { remarks };
  }

  connect({ target, readOnly, snapshot, modes }: Calls["connect"]["request"]) {
    this.#target = target;
    this.#connection = this.#started.connect(this.#params, { readOnly, snapshot, modes });
    return null;
  }

  open({ path, readOnly, isNew }: Calls["open"]["request"]) {
    if (isNew) this.#newPath = path;
    if (!readOnly) { for (const name of NEEDED_TO_WRITE) this.#started.needed(name); }
    this.#disk = this.#connected.open(path, { readOnly });
    return this.#disk.info();
  }

  metadata() {
    return this.#opened.metadata();
  }

  allocated({ chunkSectors, ...range }: Calls["allocated"]["request"]) {
    return this.#opened.allocated(range, chunkSectors);
  }

  read(transfer: Transfer) {
    const disk = this.#opened;
    return this.#move(transfer, (memory, range) => disk.read(memory, range));
  }

  write(transfer: Transfer) {
    const disk = this.#opened;
    return this.#move(transfer, (memory, range) => disk.write(memory, range));
  }

  writeMetadata({ pairs }: Calls["writeMetadata"]["request"]) {
    for (const [key, value] of pairs) this.#opened.writeMetadata(key, value);
    return null;
  }

  flush() {
    this.#opened.flush();
    return null;
  }

  create({ path, ...shape }: Calls["create"]["request"]) {
    for (const name of NEEDED_TO_CREATE) this.#started.needed(name);
    this.#connected.create(path, shape);
    this.#newPath = path;
    return null;
  }

  rename({ to, aside }: Calls["rename"]["request"]) {
    const library = this.#started;
    const path = this.#newPath ?? missing("there is no new disk");
    if (aside !== undefined) library.needed("VixDiskLib_Unlink");
    this.#closeDisk();
    if (aside !== undefined) library.rename(to, aside);
    try {
      library.rename(path, to);
    } catch (error) {
      if (aside !== undefined) library.rename(aside, to);
      throw error;
    }
    this.#newPath = undefined;
    if (aside !== undefined) this.#connected.unlink(aside);
    return null;
  }

  /** Closes everything in the order that the library requires: disk, connection, clean-up, end of access. */
  close() {
    const remarks: string[] = [];
    const library = this.#library;
    if (library === undefined) return { remarks };
    try {
      // The last bytes of a disk that was written may be lost here.
      this.#closeDisk();
    } finally {
      const [connection, target, params] = [this.#connection, this.#target, this.#params];
      this.#connection = this.#target = this.#params = undefined;
      if (connection !== undefined) attempt(remarks, () => connection.disconnect());
      if (target !== undefined && connection !== undefined) cleanUp(library, { target, remarks });
      if (params !== undefined) {
        if (this.#isPrepared) attempt(remarks, () => library.endAccess(params, IDENTITY));
        params[Symbol.dispose]();
      }
      this.#isPrepared = false;
    }
    return { remarks };
  }

  handOver() {
    this.#newPath = undefined;
    return null;
  }

  stats() {
    return Object.fromEntries(this.#started.stats);
  }

  /** Closes everything, whatever errors the library returns, and ends the library. */
  end(): void {
    this.#process.endIn(this.#timeoutSeconds);
    const [path, library] = [this.#newPath, this.#library];
    if (library === undefined) return;
    if (path !== undefined) {
      attempt([], () => this.#closeDisk());
      attempt([], () => (this.#connection ??= library.connect(undefined, { readOnly: false })).unlink(path));
    }
    attempt([], () => this.close());
    library.exit();
  }

  /** Makes a transfer in several calls, each of which may take as long as a call may. */
  #move(
    { memoryBytes, startSector, sectors, callSectors }: Transfer,
    call: (memory: Deno.PointerValue, range: SectorRange) => void,
  ): Moved {
    for (let at = 0; at < sectors; at += callSectors) {
      this.#process.endIn(this.#timeoutSeconds);
      const range = { startSector: startSector + at, sectors: Math.min(callSectors, sectors - at) };
      try {
        call(Deno.UnsafePointer.offset(this.#memory!, memoryBytes + at * SECTOR_BYTES), range);
      } catch (error) {
        return { sectors: at, failed: faultOf(error) };
      }
    }
    return { sectors };
  }

  #closeDisk(): void {
    const disk = this.#disk;
    this.#disk = undefined;
    disk?.close();
  }

  get #started(): VixDiskLib {
    return this.#library ?? missing("the library is not started");
  }

  get #connected(): Connection {
    return this.#connection ?? missing("nothing is connected");
  }

  get #opened(): DiskHandle {
    return this.#disk ?? missing("no disk is open");
  }
}

/**
 * Cleans up after a connection, and removes hot-added disks of earlier runs. It uses parameters of its own,
 * because they must not name a machine.
 */
function cleanUp(library: VixDiskLib, { target, remarks }: { target: Target; remarks: string[] }): void {
  using params = library.params(target, { withVm: false });
  // With these codes the library reports that there is nothing to clean up.
  attempt(remarks, () => library.cleanup(params), [VIX.notSupported, VIX.hostNotConnected]);
}

/**
 * Does something that the rest does not depend on: a failure becomes a remark, unless its code is one of
 * `harmless`.
 */
function attempt(remarks: string[], run: () => void, harmless: readonly number[] = []): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if (!(error instanceof VixError)) throw error;
    if (!harmless.includes(error.code)) remarks.push(error.message);
    return false;
  }
}

/**
 * Returns the part of an error that is sent to another process.
 * @throws {unknown} the error, if it is not one of the library
 */
function faultOf(error: unknown): VixFault {
  if (!(error instanceof VixError)) throw error;
  const { call, code, text } = error;
  return { call, code, text };
}

function missing(what: string): never {
  throw new TypeError(`Cannot do this: ${what}`);
}

/** Answers requests until standard input ends. */
export function serve(): void {
  const process = setUpHelperProcess();
  const server = new Server(process);
  const encoder = new TextEncoder();
  try {
    for (const line of linesOf(Deno.stdin)) {
      process.answer(encoder.encode(`${JSON.stringify(server.handle(JSON.parse(line)))}\n`));
    }
  } finally {
    // This also runs if the program was killed.
    server.end();
  }
}

/** Yields the lines of `input`. The reads are synchronous, so nothing else runs in between. */
function* linesOf(input: Pick<typeof Deno.stdin, "readSync">): Generator<string> {
  const buffer = new Uint8Array(64 * 1024);
  const decoder = new TextDecoder();
  let rest = "";
  for (let count; (count = input.readSync(buffer)) !== null;) {
    const lines = (rest + decoder.decode(buffer.subarray(0, count), { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

if (import.meta.main) serve();
