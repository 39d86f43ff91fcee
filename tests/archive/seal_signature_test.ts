import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { type PublicKey, readPublicKey } from "../../cli/archive/minisign/public_key.ts";
import { readSecretKey, type SecretKey } from "../../cli/archive/minisign/secret_key.ts";
import { readSignature, sign } from "../../cli/archive/minisign/signature.ts";
import { parseSeal } from "../../cli/archive/seal.ts";
import { signSeal, verifySeal } from "../../cli/archive/seal_signature.ts";
import { FormatError, MismatchError, UsageError } from "../../cli/errors.ts";
import { madeSeal } from "./made_seal.ts";
import { PLAIN_PAIR, utf8 } from "./minisign/vectors.ts";

const NAME = "mon.seal.json";
const NOW = new Date("2026-07-15T10:00:01.999Z");
const SERIES = "0123456789abcdef0123456789abcdef";

async function keys(): Promise<{ secret: SecretKey; key: PublicKey }> {
  return {
    secret: await readSecretKey(utf8(PLAIN_PAIR.secretText), { path: "a.key" }),
    key: await readPublicKey(utf8(PLAIN_PAIR.publicText), "a.pub"),
  };
}

/** Verifies `bytes` as the file at `path` with a signature whose trusted comment is `comment`. */
async function withComment(bytes: Uint8Array, comment: string, path = NAME): Promise<unknown> {
  const { secret, key } = await keys();
  const signature = readSignature(await sign(bytes, secret, { trustedComment: comment }), `${path}.minisig`);
  return await verifySeal(bytes, { path, signature, key }).catch((error) => error);
}

Deno.test("verifySeal() returns the seal that signSeal() signed, the key, and the time", async () => {
  const { secret, key } = await keys();
  const bytes = await madeSeal();
  const signature = readSignature(await signSeal(bytes, { name: NAME, key: secret, now: NOW }), "a");
  assertEquals(
    signature.comment,
    `timestamp:1784109601\tfile:${NAME}\thashed\tseries:${SERIES}\tgeneration:2026-07-15 12:00:00`,
  );
  for (const path of [NAME, `/a/${NAME}`, `./${NAME}`, `../a b/${NAME}`]) {
    assertEquals(await verifySeal(bytes, { path, signature, key }), {
      seal: await parseSeal(bytes, NAME),
      keyId: "B2A51186276DB436",
      signedAt: new Date("2026-07-15T10:00:01Z"),
    });
  }
});

Deno.test("verifySeal() refuses a signed seal under another name or with other bytes", async () => {
  const { secret, key } = await keys();
  const monday = { name: NAME, bytes: await madeSeal() };
  const tuesday = { name: "tue.seal.json", bytes: await madeSeal({ time: "2026-07-16 12:00:00" }) };
  const signatures = await Promise.all(
    [monday, tuesday].map(async ({ name, bytes }) =>
      readSignature(await signSeal(bytes, { name, key: secret, now: NOW }), `${name}.minisig`)
    ),
  );
  for (const [at, { name }] of [monday, tuesday].entries()) {
    for (const [of, { bytes }] of [monday, tuesday].entries()) {
      for (const signature of signatures) {
        const result = await verifySeal(bytes, { path: name, signature, key }).catch((error) => error);
        const right = at === of && signature === signatures[at];
        if (right) assertEquals(result.keyId, key.keyId);
        else assertInstanceOf(result, MismatchError, `the seal of ${of} at the name of ${at}`);
      }
    }
  }
  const moved = await verifySeal(monday.bytes, { path: "b/tue.seal.json", signature: signatures[0], key })
    .catch((error) => error);
  assertEquals(
    moved.message,
    'Cannot trust seal "b/tue.seal.json" by its signature "mon.seal.json.minisig": it was made for a file named ' +
      '"mon.seal.json" (rename both back, or sign the seal again)',
  );
});

Deno.test("verifySeal() requires the name and the time in the trusted comment, each once", async () => {
  const bytes = await madeSeal();
  const right = [
    `timestamp:1\tfile:${NAME}`,
    `timestamp:0\tfile:${NAME}\thashed`,
    `file:${NAME}\ttimestamp:999999999999`,
    `timestamp:1\tfile:${NAME}\tlater:word\t\tA:b`,
    `timestamp:1\tfile:${NAME}\tseries:${SERIES}`,
  ];
  for (const comment of right) {
    const result = await withComment(bytes, comment);
    assert(!(result instanceof Error), `${comment}: ${result}`);
  }
  const wrong = [
    "",
    "a comment",
    "timestamp:1",
    `file:${NAME}`,
    `timestamp:1 file:${NAME}`,
    `timestamp:\tfile:${NAME}`,
    `timestamp:-1\tfile:${NAME}`,
    `timestamp:01\tfile:${NAME}`,
    `timestamp:1.5\tfile:${NAME}`,
    `timestamp:1e3\tfile:${NAME}`,
    `timestamp:1000000000000\tfile:${NAME}`,
    `timestamp: 1\tfile:${NAME}`,
    `timestamp:1\ttimestamp:2\tfile:${NAME}`,
    `timestamp:1\tfile:${NAME}\tfile:${NAME}`,
    `timestamp:1\tfile:tue.seal.json\tfile:${NAME}`,
    `timestamp:1\tfile:/a/${NAME}`,
    `timestamp:1\tfile:./${NAME}`,
    `timestamp:1\tfile:${NAME} `,
    `timestamp:1\tfile:${NAME.toUpperCase()}`,
    `timestamp:1\tfile:`,
    `timestamp:1\tFile:${NAME}`,
    `timestamp:1\tfile:${NAME}\tseries:${"f".repeat(32)}`,
    `timestamp:1\tfile:${NAME}\tseries:${SERIES}\tgeneration:2026-07-14 12:00:00`,
    `timestamp:1\tfile:${NAME}\tgeneration:`,
  ];
  for (const comment of wrong) assertInstanceOf(await withComment(bytes, comment), MismatchError, comment);
});

Deno.test("verifySeal() verifies the signature before it parses the seal", async () => {
  const { secret, key } = await keys();
  const bytes = await madeSeal();
  const signature = readSignature(await signSeal(bytes, { name: NAME, key: secret, now: NOW }), "a");
  await assertRejects(() => verifySeal(utf8("no seal"), { path: NAME, signature, key }), MismatchError);
  assertInstanceOf(await withComment(utf8("no seal"), `timestamp:1\tfile:${NAME}`), FormatError);
});

Deno.test("signSeal() refuses bytes that are not a seal, and names that a comment cannot contain", async () => {
  const { secret: key } = await keys();
  const bytes = await madeSeal();
  await assertRejects(() => signSeal(utf8("{}"), { name: NAME, key, now: NOW }), FormatError);
  for (const name of ["a\tb.seal.json", "a\nb.seal.json", "\x1b.seal.json", "\ud800.seal.json"]) {
    await assertRejects(
      () => signSeal(bytes, { name, key, now: NOW }),
      UsageError,
      "Cannot sign seal",
      JSON.stringify(name),
    );
  }
  for (const name of ["ü.seal.json", "a b.seal.json", "file:x.seal.json", "a".repeat(255)]) {
    const signature = readSignature(await signSeal(bytes, { name, key, now: NOW }), "a");
    const { key: publicKey } = await keys();
    assertEquals(
      (await verifySeal(bytes, { path: `/x/${name}`, signature, key: publicKey })).keyId,
      key.keyId,
    );
  }
});
