import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { type PublicKey, readPublicKey } from "../../../cli/archive/minisign/public_key.ts";
import { readSecretKey } from "../../../cli/archive/minisign/secret_key.ts";
import { readSignature, sign, verify } from "../../../cli/archive/minisign/signature.ts";
import { signatureNameOf } from "../../../cli/archive/minisign/text.ts";
import { FormatError, MismatchError } from "../../../cli/errors.ts";
import { Random } from "../../../scripts/disk_image.ts";
import { base64, bytesOfBase64 } from "./key_files.ts";
import {
  OPENED_PAIR,
  PLAIN_PAIR,
  PUBLISHED_KEY,
  PUBLISHED_KEY_ID,
  PUBLISHED_MESSAGE,
  PUBLISHED_SIGNATURES,
  utf8,
} from "./vectors.ts";

const publishedKey = () => readPublicKey(utf8(PUBLISHED_KEY), "a.pub");
const secretKey = () => readSecretKey(utf8(PLAIN_PAIR.secretText), { path: "a.key" });
const publicKey = () => readPublicKey(utf8(PLAIN_PAIR.publicText), "a.pub");

/** Returns the comment of a verified signature file, or the error. */
async function outcome(
  text: string,
  { key, message }: { key: PublicKey; message: Uint8Array },
): Promise<unknown> {
  try {
    return await verify(message, readSignature(utf8(text), "a.minisig"), { key, path: "a" });
  } catch (error) {
    return error;
  }
}

/** Returns the message of `result`, which must be an error of this class. */
function messageOf(result: unknown, kind: typeof MismatchError | typeof FormatError, name: string): string {
  if (result instanceof kind) return result.message;
  throw new Error(`${name}: ${kind.name} is expected, ${result} is found`);
}

/** Returns the file with another line at `index`. */
function withLine(text: string, index: number, change: (line: string) => string): string {
  return text.split("\n").map((line, i) => i === index ? change(line) : line).join("\n");
}

function withBitFlipped(line: string, bit: number): string {
  const raw = bytesOfBase64(line);
  raw[bit >> 3] ^= 1 << (bit & 7);
  return base64(raw);
}

Deno.test("signatureNameOf() appends the suffix to the whole name", () => {
  assertEquals(signatureNameOf("mon.seal.json"), "mon.seal.json.minisig");
});

Deno.test("verify() accepts the published signatures of a hash and of a file", async () => {
  const key = await publishedKey();
  for (const { text, isHashed, comment } of PUBLISHED_SIGNATURES) {
    const signature = readSignature(utf8(text), "a.minisig");
    assertEquals([signature.keyId, signature.isHashed], [PUBLISHED_KEY_ID, isHashed]);
    assertEquals(await verify(PUBLISHED_MESSAGE, signature, { key, path: "a" }), comment);
    assertEquals(await outcome(text.replaceAll("\n", "\r\n"), { key, message: PUBLISHED_MESSAGE }), comment);
    assertEquals(await outcome(text.trimEnd(), { key, message: PUBLISHED_MESSAGE }), comment);
  }
});

Deno.test("verify() refuses either kind of signature with a changed bit, and names the fault", async () => {
  const key = await publishedKey();
  for (const { text } of PUBLISHED_SIGNATURES) {
    for (let bit = 0; bit < 8 * 74; bit++) {
      const changed = withLine(text, 1, (line) => withBitFlipped(line, bit));
      const error = await outcome(changed, { key, message: PUBLISHED_MESSAGE });
      const name = `bit ${bit} of the signature`;
      // "ED" and "Ed" differ by one bit.
      if (bit < 16 && bit !== 13) assertInstanceOf(error, FormatError, name);
      else {
        const wanted = bit >= 16 && bit < 80 ? "was made with key" : "is not one of this file";
        assertStringIncludes(messageOf(error, MismatchError, name), wanted, name);
      }
    }
    for (let bit = 0; bit < 8 * 64; bit++) {
      const changed = withLine(text, 3, (line) => withBitFlipped(line, bit));
      const error = await outcome(changed, { key, message: PUBLISHED_MESSAGE });
      const said = messageOf(error, MismatchError, `bit ${bit} of the signature of the comment`);
      assertMatch(said, /the trusted comment .* is not the one that was signed/);
    }
  }
});

Deno.test("verify() refuses a changed trusted comment, and accepts a changed untrusted one", async () => {
  const key = await publishedKey();
  for (const { text, comment } of PUBLISHED_SIGNATURES) {
    const message = PUBLISHED_MESSAGE;
    const prefix = "trusted comment: ";
    for (let at = 0; at < comment.length; at++) {
      for (const other of ["", " ", "x", "\t", "ü", comment[at].toUpperCase(), comment[at] + comment[at]]) {
        const changed = comment.slice(0, at) + other + comment.slice(at + 1);
        if (changed === comment) continue;
        const error = await outcome(withLine(text, 2, () => prefix + changed), { key, message });
        assertInstanceOf(error, MismatchError, JSON.stringify(changed));
      }
    }
    for (const changed of ["", comment + " ", " " + comment]) {
      assertInstanceOf(
        await outcome(withLine(text, 2, () => prefix + changed), { key, message }),
        MismatchError,
      );
    }
    assertEquals(await outcome(withLine(text, 0, () => "untrusted comment: ü"), { key, message }), comment);
  }
});

Deno.test("verify() refuses every other message", async () => {
  const key = await publicKey();
  const message = utf8("a message of some bytes, which is longer than one block of the hash".repeat(3));
  const text = new TextDecoder().decode(await sign(message, await secretKey(), { trustedComment: "yes" }));
  assertEquals(await outcome(text, { key, message }), "yes");
  for (let bit = 0; bit < 8 * message.length; bit++) {
    const changed = message.slice();
    changed[bit >> 3] ^= 1 << (bit & 7);
    assertInstanceOf(await outcome(text, { key, message: changed }), MismatchError, `bit ${bit}`);
  }
  for (
    const other of [
      message.subarray(1),
      message.subarray(0, -1),
      new Uint8Array(0),
      Uint8Array.from([...message, 0]),
    ]
  ) {
    assertInstanceOf(await outcome(text, { key, message: other }), MismatchError, `${other.length} bytes`);
  }
});

Deno.test("verify() names both keys if they differ, and does not rely on the key id alone", async () => {
  const message = utf8("a message");
  const text = new TextDecoder().decode(await sign(message, await secretKey(), { trustedComment: "yes" }));
  const other = await readPublicKey(utf8(OPENED_PAIR.publicText), "b.pub");
  const error = await outcome(text, { key: other, message });
  assertEquals(
    messageOf(error, MismatchError, "another key"),
    'Cannot verify "a": signature "a.minisig" was made with key B2A51186276DB436, not with E64A773BB3554C9E',
  );
  const renamed = { ...other, keyId: "B2A51186276DB436" };
  const forged = await outcome(text, { key: renamed, message });
  assertStringIncludes(messageOf(forged, MismatchError, "another key"), "is not one of this file");
});

Deno.test("verify() refuses a signature that was combined from two", async () => {
  const key = await publicKey();
  const secret = await secretKey();
  const message = utf8("a message");
  const make = async (bytes: Uint8Array, trustedComment: string) =>
    new TextDecoder().decode(await sign(bytes, secret, { trustedComment })).split("\n");
  const monday = await make(message, "monday");
  const tuesday = await make(utf8("another message"), "tuesday");
  for (let choice = 1; choice < 7; choice++) {
    const lines = [0, 1, 2].map((i) => (choice >> i) & 1 ? tuesday[i + 1] : monday[i + 1]);
    const text = [monday[0], ...lines, ""].join("\n");
    assertInstanceOf(await outcome(text, { key, message }), MismatchError, `choice ${choice}`);
    assertInstanceOf(await outcome(text, { key, message: utf8("another message") }), MismatchError);
  }
});

Deno.test("sign() and verify() agree on messages of every length around the blocks of the hash", async () => {
  const seed = 7;
  const random = new Random(seed);
  const key = await publicKey();
  const secret = await secretKey();
  const lengths = [0, 1, 2, 63, 64, 65, 127, 128, 129, 255, 256, 257, 65536, 100000];
  for (const length of lengths) {
    const message = Uint8Array.from({ length }, () => random.below(256));
    const trustedComment = "ü".repeat(random.below(40));
    const text = new TextDecoder().decode(await sign(message, secret, { trustedComment }));
    assertEquals(await outcome(text, { key, message }), trustedComment, `${length} bytes, seed ${seed}`);
  }
});

Deno.test("sign() returns the same bytes for the same message", async () => {
  const [first, second] = await Promise.all(
    [1, 2].map(async () =>
      await sign(utf8("a"), await secretKey(), { trustedComment: "b", untrustedComment: "c" })
    ),
  );
  assertEquals(first, second);
  assertEquals(new TextDecoder().decode(first).split("\n")[0], "untrusted comment: c");
});

Deno.test("sign() refuses comments that readSignature() would refuse", async () => {
  const secret = await secretKey();
  const wrong = ["a\nb", "a\rb", "\x1b[2J", "a\x85", "a\u2029", "\ud800", "a\0", "a".repeat(8192)];
  for (const comment of wrong) {
    const options = [{ trustedComment: comment }, { trustedComment: "a", untrustedComment: comment }];
    for (const option of options) await assertRejects(() => sign(utf8("a"), secret, option), RangeError);
  }
  await assertRejects(
    () => sign(utf8("a"), secret, { trustedComment: "a", untrustedComment: "a".repeat(1100) }),
    RangeError,
  );
  const longest = 8192 - "trusted comment: ".length - 2;
  const bytes = await sign(utf8("a"), secret, { trustedComment: "a".repeat(longest) });
  assertEquals(readSignature(bytes, "a").comment.length, longest);
  await assertRejects(() => sign(utf8("a"), secret, { trustedComment: "a".repeat(longest + 1) }), RangeError);
});

Deno.test("readSignature() refuses files that are not exactly four such lines", () => {
  const [{ text }] = PUBLISHED_SIGNATURES;
  const cases: Record<string, string> = {
    "nothing": "",
    "three lines": text.split("\n").slice(0, 3).join("\n"),
    "five lines": `${text}more\n`,
    "an empty fifth line": `${text}\n`,
    "another first prefix": text.replace("untrusted comment:", "comment:"),
    "another second prefix": text.replace(/^trusted comment:/m, "trusted_comment:"),
    "no blank behind the prefix": text.replace(/^trusted comment: /m, "trusted comment:"),
    "the lines exchanged": text.split("\n").toSpliced(1, 3, ...text.split("\n").slice(1, 4).reverse()).join(
      "\n",
    ),
    "a signature of 63 bytes": withLine(text, 3, (line) => base64(bytesOfBase64(line).subarray(1))),
    "a signature of 65 bytes": withLine(
      text,
      3,
      (line) => base64(Uint8Array.from([...bytesOfBase64(line), 0])),
    ),
    "a cut first signature": withLine(text, 1, (line) => base64(bytesOfBase64(line).subarray(0, 73))),
    "no padding": withLine(text, 3, (line) => line.replace(/=+$/, "")),
    "bits behind the end": withLine(text, 3, (line) => line.replace(/.==$/, "h==")),
    "a blank in base64": withLine(text, 3, (line) => ` ${line}`),
    "a control character": withLine(text, 2, (line) => `${line}\x07`),
    "a public key": `untrusted comment: a\n${PUBLISHED_KEY}\n`,
  };
  for (const [name, wrong] of Object.entries(cases)) {
    assert(wrong !== text, name);
    const error = assertThrows(() => readSignature(utf8(wrong), "a.minisig"), FormatError, "", name);
    assertEquals(error.fault.path, "a.minisig");
    assert(error.fault.expected !== undefined && error.fault.found !== undefined, name);
  }
  assertThrows(() => readSignature(Uint8Array.from([0xff, ...utf8(text)]), "a"), FormatError);
});
