/** A connection to a server or to the local machine, as methods that throw `VixError`. */

import type { VixCalls } from "./calls.ts";
import { DiskHandle } from "./disk_handle.ts";
import { cString, OutPointer } from "./native_strings.ts";
import { CREATE_PARAMS, DISK_MONOLITHIC_FLAT, HW_VERSION, OPEN_READ_ONLY } from "./structs.ts";

/** A connection. Its disks must be closed before it is. */
export class Connection {
  readonly #calls: VixCalls;
  readonly #pointer: Deno.PointerValue;

  constructor(calls: VixCalls, pointer: Deno.PointerValue) {
    this.#calls = calls;
    this.#pointer = pointer;
  }

  open(path: string, { readOnly }: { readOnly: boolean }): DiskHandle {
    const out = new OutPointer();
    const text = cString(path);
    this.#calls.check(
      "Open",
      () => this.#calls.symbols.VixDiskLib_Open(this.#pointer, text, readOnly ? OPEN_READ_ONLY : 0, out.room),
    );
    return new DiskHandle(this.#calls, out.value);
  }

  /** Makes a local disk of one flat extent. */
  create(
    path: string,
    { capacitySectors, adapterType }: { capacitySectors: number; adapterType: number },
  ): void {
    // Fields that this program does not know are zero.
    const params = new DataView(new ArrayBuffer(CREATE_PARAMS.size));
    params.setInt32(CREATE_PARAMS.diskType, DISK_MONOLITHIC_FLAT, true);
    params.setInt32(CREATE_PARAMS.adapterType, adapterType, true);
    params.setUint16(CREATE_PARAMS.hwVersion, HW_VERSION, true);
    params.setBigUint64(CREATE_PARAMS.capacity, BigInt(capacitySectors), true);
    const text = cString(path);
    const create = this.#calls.needed("VixDiskLib_Create");
    this.#calls.check(
      "Create",
      () =>
        create(
          this.#pointer,
          text,
          new Uint8Array(params.buffer),
          null,
          null,
        ),
    );
  }

  /** Deletes a local disk with all of its files. */
  unlink(path: string): void {
    const unlink = this.#calls.needed("VixDiskLib_Unlink");
    this.#calls.check("Unlink", () => unlink(this.#pointer, cString(path)));
  }

  disconnect(): void {
    this.#calls.check("Disconnect", () => this.#calls.symbols.VixDiskLib_Disconnect(this.#pointer));
  }
}
