/** Conversations with a data port in which one record is not as it should be. */

import { assert } from "@std/assert";
import { ServerError } from "../../../cli/errors.ts";
import { runDialogue } from "../../../cli/vsphere/nfc/dialogue.ts";
import { checkGreeting, parseGreeting } from "../../../cli/vsphere/nfc/greeting.ts";
import { encodeMessage, MESSAGE, shakeHands } from "../../../cli/vsphere/nfc/message.ts";
import { parseThumbprint, thumbprintOf } from "../../../cli/vsphere/net/trust.ts";
import { linkThatSends } from "../memory_link.ts";
import { mixedContent, randomFrom } from "../random.ts";
import { firstDifference } from "../same.ts";
import { MemoryPort } from "./memory_port.ts";

/** What came of many conversations. */
export interface MutationCounts {
  /** The disk was read, and is right. */
  read: number;
  /** It ended with a clear error. */
  refused: number;
}

/** Whoever waits longer has lost a reply to the mutation. */
const PATIENCE_MS = 150;
const AT_A_TIME = 32;

/** Conversations with the seeds from `first` on. @throws {AssertionError} that names the seed */
export async function mutateConversations(
  { first, count }: { first: number; count: number },
): Promise<MutationCounts> {
  const counts = { read: 0, refused: 0 };
  let seed = first;
  const work = async () => {
    while (seed < first + count) {
      const mine = seed++;
      const isRecord = mine % 8 !== 0;
      counts[isRecord ? await readMutated(mine) : await greetMutated(mine)]++;
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return counts;
}

async function readMutated(seed: number): Promise<keyof MutationCounts> {
  const random = randomFrom(seed);
  const below = (n: number) => Math.floor(random() * n);
  const content = mixedContent(65_536 + 512 * below(260), seed);
  const recordWith = below(22);
  let recordCount = 0;
  let kept: Uint8Array | undefined;
  /** Where coded content was changed: nobody can tell. */
  let touched: [startBytes: number, endBytes: number] | undefined;
  const port = new MemoryPort(content, () => ({
    ...(random() < 0.5 ? { random } : {}),
    marksStored: random() < 0.3,
    ddb: { adapterType: "lsilogic" },
    mutate: (record) => {
      if (recordCount++ !== recordWith) {
        if (recordCount === recordWith) kept = record;
        return record;
      }
      const { bytes, isContent } = mutateRecord(record, kept, below);
      if (isContent) {
        const view = new DataView(record.buffer, record.byteOffset);
        const start = Number(view.getBigUint64(32, true)) + view.getUint32(44, true);
        touched = [start, start + view.getUint32(48, true)];
      }
      return bytes;
    },
  }));
  const compression = (["none", "zlib", "skipz"] as const)[below(3)];
  try {
    const disk = await port.open({ compression, retries: 0, patienceMs: PATIENCE_MS, window: 1 + below(16) });
    try {
      const memory = new Uint8Array(content.length + 64).fill(0xee);
      const into = memory.subarray(0, content.length);
      await disk.read(into, 0);
      if (touched !== undefined) into.set(content.subarray(...touched), touched[0]);
      const at = firstDifference(into, content);
      assert(at < 0, `seed ${seed}: byte ${at} is wrong`);
      assert(
        memory.subarray(content.length).every((byte) => byte === 0xee),
        `seed ${seed}: written behind the end`,
      );
      return "read";
    } finally {
      await disk.close();
    }
  } catch (error) {
    assertClear(error, seed);
    return "refused";
  }
}

/** Numbers at which bounds are. */
const WORDS = [
  0,
  1,
  2,
  3,
  4,
  7,
  44,
  60,
  511,
  512,
  513,
  65_535,
  65_536,
  65_537,
  2 ** 20,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];

function mutateRecord(
  record: Uint8Array,
  before: Uint8Array | undefined,
  below: (n: number) => number,
): { bytes: Uint8Array; isContent: boolean } {
  const opcode = record[4];
  const headBytes = Math.min(
    record.length,
    16 + new DataView(record.buffer, record.byteOffset).getUint32(8, true),
  );
  const bytes = record.slice();
  const view = new DataView(bytes.buffer);
  const kind = below(10);
  if (kind < 3) bytes[below(headBytes)] ^= 1 << below(8);
  else if (kind < 6) view.setUint32(4 * below(headBytes / 4), WORDS[below(WORDS.length)], true);
  else if (kind === 6) return { bytes: bytes.subarray(0, below(bytes.length)), isContent: false };
  else if (kind === 7) {
    return { bytes: joined(record, below(2) === 0 ? record : before ?? record), isContent: false };
  } else if (kind === 8) {
    const more = Uint8Array.from({ length: 1 + below(100) }, () => below(256));
    return { bytes: below(2) === 0 ? joined(more, record) : joined(record, more), isContent: false };
  } else if (opcode === 7 && bytes.length > headBytes) {
    const at = headBytes + below(bytes.length - headBytes);
    bytes[at] ^= 1 + below(255);
    // The checksum of zlib stands for its bytes.
    return { bytes, isContent: bytes[16 + 12] !== 1 };
  } else bytes.fill(below(256), 0, headBytes);
  return { bytes, isContent: false };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

const CERTIFICATE = new Uint8Array([1, 2, 3]);

/** The lines and the messages before the first record. */
async function greetMutated(seed: number): Promise<keyof MutationCounts> {
  const random = randomFrom(seed);
  const below = (n: number) => Math.floor(random() * n);
  const encode = (text: string) => new TextEncoder().encode(text);
  const mutate = (bytes: Uint8Array) => {
    const copy = bytes.slice();
    const kind = below(4);
    if (kind === 0) return copy.subarray(0, below(copy.length));
    if (kind === 1) return joined(copy, Uint8Array.from({ length: 1 + below(2000) }, () => below(256)));
    for (let i = 0; i <= kind; i++) copy[below(copy.length)] = below(2) === 0 ? below(256) : 10;
    return copy;
  };
  const pieceBytes = 1 + below(500);
  try {
    const what = below(3);
    if (what === 0) {
      const line = "220 Daemon Version 1.10: SSL Required, NFCSSL supported/t, SHA256 supported";
      checkGreeting(parseGreeting(new TextDecoder().decode(mutate(encode(line)))), { isEncrypted: true });
    } else if (what === 1) {
      const lines = `220 Daemon\r\n200 ${
        thumbprintOf(CERTIFICATE, "SHA-256").text
      }\r\n200 Connect ha-nfcssl\r\n`;
      await runDialogue(linkThatSends(mutate(encode(lines)), pieceBytes), {
        ticket: {
          endpoint: { host: "h", port: 902 },
          service: "nfc",
          sessionId: "52-secret-ticket",
          thumbprint: parseThumbprint("aa".repeat(20)),
        },
        isEncrypted: true,
        certificate: CERTIFICATE,
        patienceMs: PATIENCE_MS,
      });
    } else {
      const messages = joined(
        joined(encodeMessage(MESSAGE.sessionParamsReply), encodeMessage(MESSAGE.version, { 4: 11 })),
        encodeMessage(MESSAGE.aioOpen),
      );
      await shakeHands(linkThatSends(mutate(messages), pieceBytes), { patienceMs: PATIENCE_MS });
    }
    return "read";
  } catch (error) {
    assertClear(error, seed);
    return "refused";
  }
}

/** An error of the server, in one sentence, without what a terminal would obey. */
export function assertClear(error: unknown, seed: number): void {
  if (!(error instanceof ServerError)) {
    throw new Error(`seed ${seed}: another kind of error`, { cause: error });
  }
  const { message } = error;
  assert(
    message.length >= 10 && message.length <= 2000 && !/\p{Cc}/u.test(message),
    `seed ${seed}: ${JSON.stringify(message)}`,
  );
  assert(!message.includes("secret"), `seed ${seed}: ${message}`);
}
