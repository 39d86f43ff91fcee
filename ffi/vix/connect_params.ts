/** `VixDiskLibConnectParams` in the form of the library: server, account and machine. */

import { addressOf, cString } from "./native_strings.ts";
import { CONNECT_PARAMS, CRED_UID } from "./structs.ts";
import type { VixSymbols } from "./symbols.ts";

/** A server, an account and a machine. */
export interface Target {
  serverName: string;
  /** The port of the server; 0 lets the library choose. */
  port: number;
  userName: string;
  password: string;
  /** The SHA-1 of the server's certificate; without it the library accepts any certificate. */
  thumbprint?: string;
  /** The managed object reference of the machine. */
  vm: string;
}

/**
 * The struct and the strings that it points to. From 6.7 on the library allocates the struct, since it keeps
 * private state in it. The strings belong to this object: their addresses are cleared before the library
 * frees the struct.
 */
export class ConnectParams implements Disposable {
  readonly pointer: Deno.PointerObject;
  readonly #symbols: VixSymbols;
  readonly #struct: DataView;
  readonly #isLibrarys: boolean;
  /** Keeps the strings that the struct points to. */
  readonly #strings: Uint8Array<ArrayBuffer>[] = [];

  /** Without `withVm` the struct names no machine, as Cleanup requires. */
  constructor(symbols: VixSymbols, target: Target, { withVm = true } = {}) {
    this.#symbols = symbols;
    const allocated = symbols.VixDiskLib_AllocateConnectParams?.() ?? null;
    this.#isLibrarys = allocated !== null;
    const own = new Uint8Array(CONNECT_PARAMS.size);
    this.pointer = allocated ?? Deno.UnsafePointer.of(own)!;
    this.#struct = new DataView(
      allocated === null ? own.buffer : Deno.UnsafePointerView.getArrayBuffer(allocated, CONNECT_PARAMS.size),
    );
    if (withVm) this.#setText(CONNECT_PARAMS.vmxSpec, `moref=${target.vm}`);
    this.#setText(CONNECT_PARAMS.serverName, target.serverName);
    if (target.thumbprint !== undefined) this.#setText(CONNECT_PARAMS.thumbPrint, target.thumbprint);
    this.#struct.setInt32(CONNECT_PARAMS.credType, CRED_UID, true);
    this.#setText(CONNECT_PARAMS.userName, target.userName);
    this.#setText(CONNECT_PARAMS.password, target.password);
    this.#struct.setUint32(CONNECT_PARAMS.port, target.port, true);
  }

  [Symbol.dispose](): void {
    const { vmxSpec, serverName, thumbPrint, userName, password } = CONNECT_PARAMS;
    for (const offset of [vmxSpec, serverName, thumbPrint, userName, password]) {
      this.#struct.setBigUint64(offset, 0n, true);
    }
    for (const bytes of this.#strings) bytes.fill(0);
    if (this.#isLibrarys) this.#symbols.VixDiskLib_FreeConnectParams?.(this.pointer);
  }

  #setText(offset: number, text: string): void {
    const bytes = cString(text);
    this.#strings.push(bytes);
    this.#struct.setBigUint64(offset, addressOf(bytes), true);
  }
}
