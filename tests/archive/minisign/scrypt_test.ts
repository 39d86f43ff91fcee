import { assert, assertEquals } from "@std/assert";
import { scrypt } from "hash-wasm";
import { deriveKey, SCRYPT_BOUNDS, scryptParameters } from "../../../cli/archive/minisign/scrypt.ts";
import { hex } from "../../../cli/archive/minisign/text.ts";
import { utf8 } from "./vectors.ts";

const MIB = 1024 * 1024;

Deno.test("scryptParameters() returns the parameters that libsodium chooses", () => {
  // The parameters of libsodium's constants INTERACTIVE and SENSITIVE, of its lower bounds, of rsign2, and
  // some that were compared with the key that minisign derives (second_opinion_test.ts).
  const known: [number, number, number, number][] = [
    [524288, 16 * MIB, 2 ** 14, 1],
    [33554432, 1024 * MIB, 2 ** 20, 1],
    [32768, 16 * MIB, 2 ** 10, 1],
    [1048576, 32 * MIB, 2 ** 15, 1],
    [32768, 1024 * MIB, 2 ** 10, 1],
    [33554432, 16 * MIB, 2 ** 14, 64],
    [2097152, 16 * MIB, 2 ** 14, 4],
    [100000, 16 * MIB, 2 ** 11, 1],
    [700000, 20000000, 2 ** 14, 1],
  ];
  for (const [operations, memoryBytes, cost, parallelism] of known) {
    assertEquals(
      scryptParameters({ operations, memoryBytes }),
      { cost, parallelism },
      `${operations} operations, ${memoryBytes} bytes`,
    );
  }
});

Deno.test("scryptParameters() stays within the limits, and gives powers of two", () => {
  const { minOperations, maxOperations, minMemoryBytes, maxMemoryBytes } = SCRYPT_BOUNDS;
  const between = (min: number, max: number) =>
    Array.from({ length: 40 }, (_, i) => Math.round(min * (max / min) ** (i / 39)));
  for (const operations of between(minOperations, maxOperations)) {
    for (const memoryBytes of between(minMemoryBytes, maxMemoryBytes)) {
      const { cost, parallelism } = scryptParameters({ operations, memoryBytes });
      const name = `${operations} operations, ${memoryBytes} bytes: N = ${cost}, p = ${parallelism}`;
      assert(Number.isInteger(Math.log2(cost)) && cost >= 1024, name);
      assert(Number.isInteger(parallelism) && parallelism >= 1, name);
      assert(cost * 1024 <= memoryBytes, name);
      assert(4 * cost * 8 * parallelism <= operations, name);
    }
  }
});

// RFC 7914, section 12.
const VECTORS = [
  {
    password: "password",
    salt: "NaCl",
    limits: { operations: 524288, memoryBytes: MIB },
    key: "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162" +
      "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
  },
  {
    password: "pleaseletmein",
    salt: "SodiumChloride",
    limits: { operations: 524288, memoryBytes: 16 * MIB },
    key: "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2" +
      "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
  },
];

Deno.test("deriveKey() gives the keys of RFC 7914", async () => {
  for (const { password, salt, limits, key } of VECTORS) {
    assertEquals(hex(await deriveKey(utf8(password), { salt: utf8(salt), limits, lenBytes: 64 })), key);
  }
});

Deno.test("deriveKey() derives the length of a secret key, and the bytes of hash-wasm", async () => {
  const salt = Uint8Array.from({ length: 32 }, (_, i) => i);
  const limits = { operations: 262144, memoryBytes: 4 * MIB };
  const oracle = await scrypt({
    password: "pässword",
    salt,
    costFactor: 4096,
    blockSize: 8,
    parallelism: 2,
    hashLength: 104,
  });
  assertEquals(scryptParameters(limits), { cost: 4096, parallelism: 2 });
  assertEquals(hex(await deriveKey(utf8("pässword"), { salt, limits, lenBytes: 104 })), oracle);
});
