/** The module for a host without shared memory, such as a web page that is not cross-origin isolated. */

const HEADER_BYTES = 8;
const IMPORT_SECTION = 2;
const KIND_MEMORY = 2;
/** Limits of a memory (WebAssembly 2.0, 5.3.7, and the threads proposal): it has a maximum, and is shared. */
const WITH_MAXIMUM = 0b01;
const SHARED = 0b10;

/**
 * Returns a copy of a module that imports one shared memory and nothing before it but functions; the copy
 * imports a memory that is not shared. The core has no atomic instructions, so nothing else is different.
 *
 * @throws {Error} if `wasm` imports no shared memory
 */
export function withUnsharedMemory(wasm: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const copy = wasm.slice();
  copy[limitsAt(copy)] = WITH_MAXIMUM;
  return copy;
}

/** Returns the offset of the limits of the imported memory. */
function limitsAt(wasm: Uint8Array): number {
  let at = HEADER_BYTES;
  // Unsigned LEB128: seven bits a byte, the lowest first.
  const integer = () => {
    let value = 0;
    for (let shift = 0;; shift += 7) {
      const byte = wasm[at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (!(byte & 0x80)) return value;
    }
  };
  while (at < wasm.length) {
    const section = wasm[at++];
    const length = integer();
    if (section !== IMPORT_SECTION) {
      at += length;
      continue;
    }
    for (let count = integer(); count > 0; count--) {
      for (const _name of ["module", "field"]) {
        const bytes = integer();
        at += bytes;
      }
      if (wasm[at++] !== KIND_MEMORY) integer();
      else if (wasm[at] === (WITH_MAXIMUM | SHARED)) return at;
    }
    break;
  }
  throw new Error("Cannot start the core without shared memory: the module imports no shared one");
}
