/** A second reader of seals, from FORMAT.md. */

import { createHash } from "node:crypto";
import { demand, NotAcceptable } from "./acceptable.ts";

/** A value of JSON. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const MOST_BYTES = 256 * 1024;
const LARGEST = 2 ** 53 - 1;
const HASH = /^[0-9a-f]{64}$/;
const TIME = /^\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d( summer time)?$/;

/** The members of a form, in the order in which they are compared; `undefined` for those that need not be there. */
type Form = (value: Json | undefined) => Json | undefined;

const text = (form: RegExp): Form => (value) => {
  demand(typeof value === "string" && value.length <= 4096 && form.test(value));
  return value;
};
const integer = (min: number, max = LARGEST): Form => (value) => {
  demand(Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max);
  return value;
};
const optional = (form: Form): Form => (value) => value === undefined ? undefined : form(value);
const nullable = (form: Form): Form => (value) => value === null ? null : form(value);
const object = (members: Record<string, Form>): Form => (value) => {
  demand(isObject(value));
  return Object.fromEntries(
    Object.entries(members).flatMap(([name, form]) => {
      const read = form(Object.hasOwn(value, name) ? value[name] : undefined);
      return read === undefined ? [] : [[name, read]];
    }),
  );
};
const list = (most: number, form: Form): Form => (value) => {
  demand(Array.isArray(value) && value.length <= most);
  return value.map((item) => form(item)!);
};

const generation = { time: text(TIME), root: nullable(text(HASH)) };
const percent: Form = (value) => {
  demand(typeof value === "number" && value >= 0 && value <= 100);
  return value;
};
const file = {
  role: text(/^(dump|digest|rdiff)$/),
  name: text(/^[^/\0]{1,255}$/),
  bytes: integer(1),
  sha256: text(HASH),
  dataRecords: integer(0),
  zeroRecords: integer(0),
};
const rdiff = object({ ...file, from: nullable(object(generation)), to: object(generation) });
const seal = object({
  vmdkbkpSeal: integer(1, 1),
  program: text(/^/),
  series: text(/^[0-9a-f]{32}$/),
  time: generation.time,
  capacityBytes: integer(1),
  blockBytes: integer(512, 16 * 1024 * 1024),
  blockCount: integer(1),
  root: generation.root,
  mode: object({ asked: text(/^/), done: text(/^/), reason: optional(text(/^/)) }),
  source: (value) => {
    demand(isObject(value) && Object.keys(value).length <= 64);
    for (const member of Object.values(value)) text(/^/)(member);
    return value;
  },
  audit: optional(object({
    percent: optional(percent),
    unchangedBlocks: integer(0),
    sampledBlocks: integer(0),
    differingBlocks: integer(0),
    firstDifferingBlock: optional(integer(0)),
    seed: optional(text(/^/)),
    result: text(/^(agrees|differs|skipped)$/),
  })),
  files: list(64, (value) => (isObject(value) && value.role === "rdiff" ? rdiff : object(file))(value)),
});

/** What a seal says, as text. @throws {NotAcceptable} */
export function readSeal(bytes: Uint8Array): string {
  demand(bytes.length <= MOST_BYTES);
  let body: Json;
  try {
    body = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new NotAcceptable();
  }
  demand(isObject(body));
  const { sha256: _, ...open } = body;
  demand(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) === sealText(open));
  // deno-lint-ignore no-explicit-any -- the form was demanded
  const read = seal(open) as any;
  const { blockBytes, blockCount, capacityBytes, audit, files } = read;
  demand(blockBytes % 512 === 0);
  const surplus = BigInt(blockBytes) * BigInt(blockCount) - BigInt(capacityBytes);
  demand(surplus >= 0n && surplus < BigInt(blockBytes));
  if (audit !== undefined) {
    demand(audit.differingBlocks <= audit.sampledBlocks && audit.sampledBlocks <= audit.unchangedBlocks);
  }
  for (const file of files) {
    demand(file.name !== "." && file.name !== "..");
    const records = file.dataRecords + file.zeroRecords;
    demand(file.role === "rdiff" ? records <= blockCount : records === blockCount);
  }
  return JSON.stringify(read);
}

/** What a writer makes of a body: its text, closed by the SHA-256 of all in front. */
export function sealText(body: { [name: string]: Json }): string {
  const open = `${JSON.stringify(body, null, 2).slice(0, -2)},\n`;
  return `${open}  "sha256": "${createHash("sha256").update(open).digest("hex")}"\n}\n`;
}

function isObject(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
