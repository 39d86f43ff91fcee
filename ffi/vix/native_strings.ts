/** C strings on both sides of the boundary. */

const encoder = new TextEncoder();

/** `text` with the zero byte that ends it. @throws {TypeError} if it has one inside */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError("Cannot pass a text with a zero byte to a library");
  return encoder.encode(`${text}\0`);
}

/** The same where NULL stands for nothing. */
export function cStringOrNull(text: string | undefined): Uint8Array<ArrayBuffer> | null {
  return text === undefined ? null : cString(text);
}

/** No text of a library is longer; one that is has lost its end. */
const MAX_TEXT_BYTES = 64 * 1024;

/** The text at `pointer`, empty for NULL; what is not UTF-8 becomes U+FFFD. */
export function textAt(pointer: Deno.PointerValue): string {
  if (pointer === null) return "";
  const view = new Deno.UnsafePointerView(pointer);
  let lenBytes = 0;
  while (lenBytes < MAX_TEXT_BYTES && view.getUint8(lenBytes) !== 0) lenBytes++;
  return new TextDecoder().decode(view.getArrayBuffer(lenBytes));
}

/** The address of `bytes`, to be stored in a struct; the bytes must stay referenced as long. */
export function addressOf(bytes: Uint8Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}

/** Room for a pointer that a call gives back. */
export class OutPointer {
  readonly room: BigUint64Array<ArrayBuffer> = new BigUint64Array(1);

  get value(): Deno.PointerValue {
    return Deno.UnsafePointer.create(this.room[0]);
  }
}
