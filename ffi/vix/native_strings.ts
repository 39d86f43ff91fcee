/** Converts C strings in both directions. */

const encoder = new TextEncoder();

/**
 * Returns `text` with the zero byte that ends it.
 * @throws {TypeError} if it contains a zero byte
 */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError("Cannot pass a text with a zero byte to a library");
  return encoder.encode(`${text}\0`);
}

/** The same, with NULL for no text. */
export function cStringOrNull(text: string | undefined): Uint8Array<ArrayBuffer> | null {
  return text === undefined ? null : cString(text);
}

/** The limit of a text; no text of a library is longer. A longer one has lost its end. */
const MAX_TEXT_BYTES = 64 * 1024;

/** Returns the text at `pointer`, empty for NULL. Bytes that are not UTF-8 become U+FFFD. */
export function textAt(pointer: Deno.PointerValue): string {
  if (pointer === null) return "";
  const view = new Deno.UnsafePointerView(pointer);
  let lenBytes = 0;
  while (lenBytes < MAX_TEXT_BYTES && view.getUint8(lenBytes) !== 0) lenBytes++;
  return new TextDecoder().decode(view.getArrayBuffer(lenBytes));
}

/** Returns the address of `bytes` for a struct. The bytes must stay referenced while the struct is in use. */
export function addressOf(bytes: Uint8Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}

/** Memory for a pointer that a call returns. */
export class OutPointer {
  readonly room: BigUint64Array<ArrayBuffer> = new BigUint64Array(1);

  get value(): Deno.PointerValue {
    return Deno.UnsafePointer.create(this.room[0]);
  }
}
