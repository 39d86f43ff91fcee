/** Exchange of files with minisign itself, in both directions. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { readPublicKey } from "../../../cli/archive/minisign/public_key.ts";
import { readSecretKey } from "../../../cli/archive/minisign/secret_key.ts";
import { readSignature, sign, verify } from "../../../cli/archive/minisign/signature.ts";
import { parseSeal } from "../../../cli/archive/seal.ts";
import { signSeal, verifySeal } from "../../../cli/archive/seal_signature.ts";
import { MismatchError } from "../../../cli/errors.ts";
import { Random } from "../../../scripts/disk_image.ts";
import { testWith } from "../../support/skip.ts";
import { madeSeal } from "../made_seal.ts";
import {
  base64,
  bodyOf,
  bytesOfBase64,
  encryptedBytes,
  keyFile,
  type KeyLimits,
  LOWEST,
  publicOf,
} from "./key_files.ts";
import { utf8 } from "./vectors.ts";

const missing = hasMinisign() ? undefined : "minisign is not installed";

function hasMinisign(): boolean {
  try {
    return new Deno.Command("minisign", { args: ["-v"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

/** A folder in which minisign runs. */
class Desk implements Disposable {
  readonly #folder = Deno.makeTempDirSync();

  [Symbol.dispose](): void {
    Deno.removeSync(this.#folder, { recursive: true });
  }

  write(name: string, bytes: Uint8Array): void {
    Deno.writeFileSync(`${this.#folder}/${name}`, bytes);
  }

  read(name: string): Uint8Array {
    return Deno.readFileSync(`${this.#folder}/${name}`);
  }

  /** Runs minisign. `answers` are the lines of its standard input, from which it reads passwords. */
  async tries(args: string[], answers: string[] = []): Promise<{ success: boolean; said: string }> {
    const child = new Deno.Command("minisign", {
      args,
      cwd: this.#folder,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const lines = new Blob(answers.map((answer) => `${answer}\n`));
    const feeding = lines.stream().pipeTo(child.stdin).catch(() => {});
    const [{ success, stdout, stderr }] = await Promise.all([child.output(), feeding]);
    const text = new TextDecoder();
    return { success, said: text.decode(stdout) + text.decode(stderr) };
  }

  async run(args: string[], answers: string[] = []): Promise<string> {
    const { success, said } = await this.tries(args, answers);
    assert(success, `minisign ${args.join(" ")}: ${said}`);
    return said;
  }
}

testWith(
  { missing },
  "minisign verifies what is signed with its key, and prints the trusted comment",
  async () => {
    using desk = new Desk();
    await desk.run(["-G", "-W", "-p", "a.pub", "-s", "a.key"]);
    const key = await readSecretKey(desk.read("a.key"), { path: "a.key" });
    for (const message of [utf8(""), utf8("a"), new Uint8Array(200000).fill(3)]) {
      desk.write("a", message);
      for (const trustedComment of ["", "a comment", "timestamp:1\tfile:ü", "ü".repeat(4086)]) {
        desk.write("a.minisig", await sign(message, key, { trustedComment }));
        assertEquals(await desk.run(["-V", "-H", "-Q", "-p", "a.pub", "-m", "a"]), `${trustedComment}\n`);
      }
    }
  },
);

testWith(
  { missing },
  "verify() takes what minisign signs, with and without a hash, and no other bytes",
  async () => {
    using desk = new Desk();
    await desk.run(["-G", "-W", "-p", "a.pub", "-s", "a.key"]);
    const key = await readPublicKey(desk.read("a.pub"), "a.pub");
    const message = utf8("a message");
    desk.write("a", message);
    for (const format of [[], ["-l"]]) {
      for (const comment of [undefined, "a comment", "ü\tü", "a".repeat(4000)]) {
        await desk.run([
          "-S",
          ...format,
          "-s",
          "a.key",
          "-m",
          "a",
          ...(comment === undefined ? [] : ["-t", comment]),
        ]);
        const signature = readSignature(desk.read("a.minisig"), "a.minisig");
        assertEquals(signature.isHashed, format.length === 0);
        const proved = await verify(message, signature, { key, path: "a" });
        if (comment !== undefined) assertEquals(proved, comment);
        else assert(/^timestamp:\d+\tfile:a(\thashed)?$/.test(proved), proved);
        const other = await verify(utf8("a massage"), signature, { key, path: "a" }).catch((error) => error);
        assertInstanceOf(other, MismatchError);
      }
    }
  },
);

testWith(
  { missing },
  "readSecretKey() opens keys that minisign encrypted with as much memory as it takes",
  async () => {
    using desk = new Desk();
    await desk.run(["-G", "-p", "a.pub", "-s", "a.key"], ["pässword", "pässword"]);
    const secret = await readSecretKey(desk.read("a.key"), { path: "a.key", password: () => "pässword" });
    const key = await readPublicKey(desk.read("a.pub"), "a.pub");
    assertEquals(secret.keyId, key.keyId);
    const signature = readSignature(await sign(utf8("a"), secret, { trustedComment: "b" }), "a.minisig");
    assertEquals(await verify(utf8("a"), signature, { key, path: "a" }), "b");
  },
);

testWith({ missing }, "minisign derives the same keys from passwords, whatever the limits", async () => {
  const seed = 31;
  const random = new Random(seed);
  const draw = (length: number) => Uint8Array.from({ length }, () => random.below(256));
  const all: KeyLimits[] = [
    LOWEST,
    { operations: 100000n, memoryBytes: 16777216n, cost: 2048, parallelism: 1 },
    { operations: 700000n, memoryBytes: 20000000n, cost: 16384, parallelism: 1 },
    { operations: 2097152n, memoryBytes: 16777216n, cost: 16384, parallelism: 4 },
  ];
  for (const limits of all) {
    using desk = new Desk();
    const parts = { seed: draw(32), keyId: draw(8) };
    const raw = await encryptedBytes(await bodyOf(parts), { password: "a b", salt: draw(32), limits });
    const name = `${limits.operations} operations, ${limits.memoryBytes} bytes, seed ${seed}`;
    desk.write("a.key", keyFile(raw));
    desk.write("a", utf8("a message"));
    await desk.run(["-S", "-s", "a.key", "-m", "a"], ["a b"]);
    const secret = await readSecretKey(keyFile(raw), { path: "a.key", password: () => "a b" });
    const key = await readPublicKey(
      utf8(base64(Uint8Array.from([...utf8("Ed"), ...parts.keyId, ...publicOf(parts.seed)]))),
      "a.pub",
    );
    assertEquals(secret.keyId, key.keyId, name);
    const signature = readSignature(desk.read("a.minisig"), "a.minisig");
    await verify(utf8("a message"), signature, { key, path: "a" });
    const { success } = await desk.tries(["-S", "-s", "a.key", "-m", "a"], ["a c"]);
    assertEquals(success, false, name);
  }
});

testWith({ missing }, "verify() refuses the damaged signatures that minisign refuses", async () => {
  const seed = 32;
  const random = new Random(seed);
  using desk = new Desk();
  await desk.run(["-G", "-W", "-p", "a.pub", "-s", "a.key"]);
  const key = await readPublicKey(desk.read("a.pub"), "a.pub");
  const message = utf8("a message");
  desk.write("a", message);
  await desk.run(["-S", "-s", "a.key", "-m", "a", "-t", "a comment"]);
  const lines = new TextDecoder().decode(desk.read("a.minisig")).split("\n");
  for (let round = 0; round < 40; round++) {
    const changed = lines.slice();
    const line = [1, 3][random.below(2)];
    const raw = bytesOfBase64(changed[line]);
    const bit = random.below(8 * raw.length);
    raw[bit >> 3] ^= 1 << (bit & 7);
    changed[line] = base64(raw);
    const text = utf8(changed.join("\n"));
    desk.write("a.minisig", text);
    const theirs = await desk.tries(["-V", "-p", "a.pub", "-m", "a"]);
    const ours = await Promise.resolve().then(() =>
      verify(message, readSignature(text, "a.minisig"), { key, path: "a" })
    )
      .then(() => true, () => false);
    assertEquals([theirs.success, ours], [false, false], `bit ${bit} of line ${line}, seed ${seed}`);
  }
});

testWith({ missing }, "A seal is signed with either program and verified with the other", async () => {
  using desk = new Desk();
  await desk.run(["-G", "-W", "-p", "a.pub", "-s", "a.key"]);
  const key = await readPublicKey(desk.read("a.pub"), "a.pub");
  const secret = await readSecretKey(desk.read("a.key"), { path: "a.key" });
  const bytes = await madeSeal();
  const name = "mon.seal.json";
  desk.write(name, bytes);
  desk.write(`${name}.minisig`, await signSeal(bytes, { name, key: secret, now: new Date(0) }));
  const said = await desk.run(["-V", "-p", "a.pub", "-m", name]);
  assert(said.includes("Trusted comment: timestamp:0\tfile:mon.seal.json\thashed\tseries:"), said);

  await desk.run(["-S", "-s", "a.key", "-m", name]);
  const signature = readSignature(desk.read(`${name}.minisig`), `${name}.minisig`);
  const signed = await verifySeal(bytes, { path: `/a/b/${name}`, signature, key });
  assertEquals(signed.seal, await parseSeal(bytes, name));
  assert(signed.signedAt.getTime() > Date.UTC(2020, 0), `${signed.signedAt}`);
});
