/** The messages of 264 bytes with which a session of the disk service begins, and ends. */

import { ProtocolError } from "../errors.ts";
import { type ByteLink, ByteReader } from "../net/byte_link.ts";
import { TOKEN } from "./dialogue.ts";

/** The length of each. */
export const MESSAGE_BYTES = 264;

/** Types, by what they are about. */
export const MESSAGE = {
  complete: 4,
  sessionParams: 33,
  sessionParamsReply: 36,
  handshake: 43,
  version: 51,
  aioOpen: 52,
  connectionData: 54,
  sessionFeatures: 55,
} as const;

/** The version that VMware's library 8 proposes. */
const VERSION = 11;
const MIN_VERSION = 3;
/** Interruption and switching of hosts. */
const FEATURES = 3;
const OPERATION = "nbdmode";
const CLIENT_NAME = "vmdkbkp";

/** A message: its type, then words of 32 bits at their offsets, then zeros. */
export function encodeMessage(
  type: number,
  words: Readonly<Record<number, number>> = {},
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(MESSAGE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  for (const [at, word] of Object.entries(words)) view.setUint32(Number(at), word, true);
  return bytes;
}

/** The same token as in the dialogue, without a length. */
function handshakeMessage(): Uint8Array {
  const bytes = encodeMessage(MESSAGE.handshake);
  bytes.set(new TextEncoder().encode(TOKEN), 4);
  return bytes;
}

/** With the names behind it, in the same record. */
function connectionData(): Uint8Array {
  const names = new TextEncoder().encode(CLIENT_NAME + OPERATION);
  const message = encodeMessage(MESSAGE.connectionData, { 4: CLIENT_NAME.length, 8: OPERATION.length });
  const bytes = new Uint8Array(message.length + names.length);
  bytes.set(message);
  bytes.set(names, message.length);
  return bytes;
}

/**
 * Leads the disk service to where it takes records.
 *
 * A host reads one message of each TLS record, so each is written by itself. Some answer the second message
 * only when the third has come: three are sent before an answer is read.
 *
 * @throws {ProtocolError} if the host refuses, or answers with something else
 */
export async function shakeHands(link: ByteLink, { patienceMs }: { patienceMs: number }): Promise<void> {
  const reader = new ByteReader(link, { patienceMs });
  await link.write(handshakeMessage());
  await link.write(encodeMessage(MESSAGE.sessionParams));
  await link.write(encodeMessage(MESSAGE.version, { 4: VERSION }));
  await expectMessage(reader, MESSAGE.sessionParamsReply);
  const version = (await expectMessage(reader, MESSAGE.version)).getUint32(4, true);
  if (version < MIN_VERSION) {
    throw new ProtocolError(`the data port speaks version ${version} of its protocol`);
  }
  await link.write(connectionData());
  await link.write(encodeMessage(MESSAGE.sessionFeatures, { 4: FEATURES }));
  await link.write(encodeMessage(MESSAGE.aioOpen));
  await expectMessage(reader, MESSAGE.aioOpen);
  if (reader.rest().length > 0) throw new ProtocolError("the data port says more than was asked");
}

async function expectMessage(reader: ByteReader, type: number): Promise<DataView> {
  const bytes = await reader.exactly(MESSAGE_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found = view.getUint32(0, true);
  if (found === type) return view;
  if (found === MESSAGE.complete) throw new ProtocolError("the data port refuses the session");
  throw new ProtocolError(`the data port answers with message ${found} where ${type} is expected`);
}
