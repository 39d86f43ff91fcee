import { assertEquals, assertRejects } from "@std/assert";
import { readPublicKey } from "../../../cli/archive/minisign/public_key.ts";
import { FormatError } from "../../../cli/errors.ts";
import { base64, bytesOfBase64, keyFile } from "./key_files.ts";
import { ENCRYPTED_PAIR, OPENED_PAIR, PLAIN_PAIR, PUBLISHED_KEY, PUBLISHED_KEY_ID, utf8 } from "./vectors.ts";

const RAW = bytesOfBase64(PUBLISHED_KEY);

/** Returns the 32 bytes of a key that was read. */
async function pointOf(bytes: Uint8Array): Promise<Uint8Array> {
  const { publicKey } = await readPublicKey(bytes, "a.pub");
  return Uint8Array.from(publicKey.export({ format: "der", type: "spki" }).subarray(-32));
}

async function faultOf(bytes: Uint8Array): Promise<FormatError["fault"]> {
  const error = await assertRejects(() => readPublicKey(bytes, "a.pub"), FormatError);
  assertEquals(error.fault.path, "a.pub");
  return error.fault;
}

Deno.test("readPublicKey() reads a line of base64, and a file with a comment above it", async () => {
  const forms = [
    PUBLISHED_KEY,
    `${PUBLISHED_KEY}\n`,
    `${PUBLISHED_KEY}\r\n`,
    `untrusted comment: minisign public key E7620F1842B4E81F\n${PUBLISHED_KEY}\n`,
    `untrusted comment: minisign public key E7620F1842B4E81F\r\n${PUBLISHED_KEY}\r\n`,
    `untrusted comment: der Schlüssel\tvon gestern\n${PUBLISHED_KEY}`,
    `untrusted comment: \n${PUBLISHED_KEY}\n`,
  ];
  for (const form of forms) {
    assertEquals((await readPublicKey(utf8(form), "a.pub")).keyId, PUBLISHED_KEY_ID, form);
    assertEquals(await pointOf(utf8(form)), RAW.subarray(10), form);
  }
});

Deno.test("readPublicKey() finds the key id that minisign wrote into the comment", async () => {
  for (const { publicText } of [PLAIN_PAIR, OPENED_PAIR, ENCRYPTED_PAIR]) {
    const [, keyId] = /key ([0-9A-F]{16})\n/.exec(publicText)!;
    assertEquals((await readPublicKey(utf8(publicText), "a.pub")).keyId, keyId);
  }
});

Deno.test("readPublicKey() refuses every change of the algorithm, and names the one that it found", async () => {
  for (let bit = 0; bit < 16; bit++) {
    const raw = RAW.slice();
    raw[bit >> 3] ^= 1 << (bit & 7);
    const { expected, found } = await faultOf(keyFile(raw));
    assertEquals(expected, 'algorithm "Ed"');
    const printable = raw[0] < 0x7f && raw[1] < 0x7f && raw[0] > 0x20 && raw[1] > 0x20;
    if (printable) assertEquals(found, `"${String.fromCharCode(raw[0], raw[1])}"`);
  }
});

Deno.test("readPublicKey() refuses a changed key id or key, or returns another key", async () => {
  let refused = 0;
  for (let at = 2; at < RAW.length; at++) {
    const raw = RAW.slice();
    raw[at] ^= 1;
    try {
      const { keyId } = await readPublicKey(keyFile(raw), "a.pub");
      assertEquals(keyId === PUBLISHED_KEY_ID, at >= 10, `byte ${at}`);
      assertEquals(await pointOf(keyFile(raw)), raw.subarray(10), `byte ${at}`);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      assertEquals(error.fault.expected, "a point of the curve Ed25519");
      refused++;
    }
  }
  // For half of all values of y there is no point on the curve.
  assertEquals(refused > 5 && refused < 27, true, `${refused} of 32 refused`);
});

Deno.test("readPublicKey() refuses a key of another length", async () => {
  for (let length = 0; length <= 60; length++) {
    if (length === RAW.length) continue;
    const raw = new Uint8Array(length);
    raw.set(RAW.subarray(0, length));
    const { expected, found } = await faultOf(keyFile(raw));
    assertEquals([expected, found], ["base64 of 42 bytes", `base64 of ${length} bytes`]);
  }
});

Deno.test("readPublicKey() refuses files that are not exactly a comment and a key", async () => {
  const comment = "untrusted comment: a";
  const wrong: Record<string, Uint8Array> = {
    "nothing": utf8(""),
    "an empty line": utf8("\n"),
    "only a comment": utf8(`${comment}\n`),
    "another prefix": utf8(`trusted comment: a\n${PUBLISHED_KEY}\n`),
    "a prefix in capitals": utf8(`Untrusted comment: a\n${PUBLISHED_KEY}\n`),
    "no prefix": utf8(`a\n${PUBLISHED_KEY}\n`),
    "a mark of the byte order": utf8(`\ufeff${comment}\n${PUBLISHED_KEY}\n`),
    "a third line": utf8(`${comment}\n${PUBLISHED_KEY}\nmore\n`),
    "an empty third line": utf8(`${comment}\n${PUBLISHED_KEY}\n\n`),
    "a blank behind the key": utf8(`${comment}\n${PUBLISHED_KEY} \n`),
    "a blank in the key": utf8(`${comment}\n${PUBLISHED_KEY.replace("mlY", "ml Y")}\n`),
    "a key without its last character": utf8(`${comment}\n${PUBLISHED_KEY.slice(0, -1)}\n`),
    "padding that is not needed": utf8(`${comment}\n${PUBLISHED_KEY}==\n`),
    "base64url": utf8(
      `${comment}\n${base64(Uint8Array.from(RAW, (byte, i) => i < 10 ? byte : 0xff)).replaceAll("/", "_")}\n`,
    ),
    "a control character in the comment": utf8(`${comment}\x1b[2J\n${PUBLISHED_KEY}\n`),
    "a line separator in the comment": utf8(`${comment}\u2028\n${PUBLISHED_KEY}\n`),
    "a carriage return in the comment": utf8(`${comment}\rb\n${PUBLISHED_KEY}\n`),
    "a comment that is not UTF-8": Uint8Array.from([...utf8(comment), 0xff, ...utf8(`\n${PUBLISHED_KEY}\n`)]),
    "a comment that is too long": utf8(`${comment.padEnd(1023, "a")}\n${PUBLISHED_KEY}\n`),
    "a file that is too long": utf8(`${comment}\n${PUBLISHED_KEY}\n`.padEnd(16 * 1024 + 1, "\n")),
    "a secret key": utf8(PLAIN_PAIR.secretText),
  };
  for (const [name, bytes] of Object.entries(wrong)) {
    await assertRejects(
      () => readPublicKey(bytes, "a.pub"),
      FormatError,
      'Cannot read public key "a.pub": ',
      name,
    );
  }
  // The same file with the longest comment is accepted.
  await readPublicKey(utf8(`${comment.padEnd(1022, "a")}\n${PUBLISHED_KEY}\n`), "a.pub");
});
