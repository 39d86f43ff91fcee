import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ServerError } from "../../../cli/errors.ts";
import { ConnectionError, ProtocolError, TrustError } from "../../../cli/vsphere/errors.ts";
import { runDialogue } from "../../../cli/vsphere/nfc/dialogue.ts";
import { checkGreeting, parseGreeting } from "../../../cli/vsphere/nfc/greeting.ts";
import { encodeMessage, MESSAGE, shakeHands } from "../../../cli/vsphere/nfc/message.ts";
import type { Ticket } from "../../../cli/vsphere/nfc/ticket.ts";
import { parseThumbprint, thumbprintOf } from "../../../cli/vsphere/net/trust.ts";
import { linkThatSends, MemoryLink } from "../memory_link.ts";

const CERTIFICATE = new TextEncoder().encode("a certificate");
const SHA256 = thumbprintOf(CERTIFICATE, "SHA-256").text;
const TICKET: Ticket = {
  endpoint: { host: "esxi", port: 902 },
  service: "nfc",
  sessionId: "52a4-ticket-of-the-test",
  thumbprint: parseThumbprint("aa".repeat(20)),
};
const BANNER = "220 VMware Authentication Daemon Version 1.10: SSL Required\r\n";
const OPTIONS = { ticket: TICKET, isEncrypted: true, certificate: CERTIFICATE, patienceMs: 10_000 };

Deno.test("a greeting is read by its whole item names, with case", () => {
  const line = "220 VMware Authentication Daemon Version 1.10: SSL Required, MKSDisplayProtocol:VNC , " +
    "NFCSSL supported/t, SHA256 supported";
  const greeting = parseGreeting(line);
  assertEquals(greeting.version, "VMware Authentication Daemon Version 1.10");
  assertEquals([...greeting.items], [
    "SSL Required",
    "MKSDisplayProtocol:VNC",
    "NFCSSL supported",
    "SHA256 supported",
  ]);
  checkGreeting(greeting, { isEncrypted: true });
  const without = (item: string) => parseGreeting(line.replace(item, "x"));
  assertThrows(
    () => checkGreeting(without("NFCSSL supported/t"), { isEncrypted: true }),
    ProtocolError,
    "NFCSSL",
  );
  checkGreeting(without("NFCSSL supported/t"), { isEncrypted: false });
  assertThrows(
    () => checkGreeting(without("SHA256"), { isEncrypted: false }),
    ProtocolError,
    "SHA256 supported",
  );
  for (const bad of ["", "220", "220 no items", "SSH-2.0-OpenSSH", "421 too many: x", " 220 a: b"]) {
    assertThrows(() => parseGreeting(bad), ProtocolError);
  }
});

Deno.test("the dialogue is said in its order, each line by itself", async () => {
  for (const isEncrypted of [true, false]) {
    const grant = `200 Connect ha-nfc${isEncrypted ? "ssl" : ""}\r\n`;
    for (const pieceBytes of [1, 1000]) {
      const link = linkThatSends(new TextEncoder().encode(`${BANNER}200 ${SHA256}\r\n${grant}`), pieceBytes);
      await runDialogue(link, { ...OPTIONS, isEncrypted });
      assertEquals(link.written.map((bytes) => new TextDecoder().decode(bytes)), [
        `SESSION ${TICKET.sessionId}\r\n`,
        "BANNER \r\n",
        "THUMBPRINT_SHA2 PlainText\r\n",
        `PROXY nfc${isEncrypted ? "ssl" : ""}\r\n`,
      ]);
    }
  }
});

Deno.test("a dialogue that goes another way is refused, and no message has the ticket", async () => {
  const other = thumbprintOf(new Uint8Array(1), "SHA-256").text;
  const grant = "200 Connect ha-nfcssl\r\n";
  const cases: [string, new (text: string) => Error, string][] = [
    ["", ConnectionError, "ends the connection"],
    ["530 Login incorrect\r\n", ProtocolError, "530 Login incorrect"],
    [`530 no session ${TICKET.sessionId}\r\n`, ProtocolError, "***"],
    [`${BANNER}501 Invalid arguments\r\n`, ProtocolError, "501 Invalid arguments"],
    [`${BANNER}200 ${other}\r\n${grant}`, TrustError, other],
    [`${BANNER}200 \r\n${grant}`, TrustError, "announces"],
    [`${BANNER}200 ${SHA256}\r\n`, ConnectionError, "does not take the ticket"],
    [`${BANNER}200 ${SHA256}\r\n530 ${TICKET.sessionId}\r\n`, ProtocolError, "does not grant"],
    [`${BANNER}200 ${SHA256}\r\n200 Connect ha-nfc\r\n`, ProtocolError, "does not grant"],
    [`${BANNER}200 ${SHA256}\r\n${grant}more`, ProtocolError, "more than was asked"],
    [`${"x".repeat(1024)}\r\n`, ProtocolError, "a line of 1024 bytes"],
    [`220 \u001b[2J${"\0".repeat(10)}\r\n200 \u001b[2J\r\n`, TrustError, "announces"],
  ];
  for (const [text, kind, message] of cases) {
    const error = await assertRejects(
      () => runDialogue(linkThatSends(new TextEncoder().encode(text)), OPTIONS),
      kind,
      message,
      text,
    );
    assert(!error.message.includes(TICKET.sessionId), error.message);
    // deno-lint-ignore no-control-regex
    assert(!/[\0-\x1f]/.test(error.message), error.message);
  }
});

/** Answers of a service that takes everything. */
function answers(...types: [type: number, word?: number][]): Uint8Array {
  const messages = types.map(([type, word]) => encodeMessage(type, word === undefined ? {} : { 4: word }));
  const bytes = new Uint8Array(messages.reduce((sum, { length }) => sum + length, 0));
  messages.reduce((at, message) => (bytes.set(message, at), at + message.length), 0);
  return bytes;
}

Deno.test("the messages are 264 bytes each, in their order, one a write", async () => {
  for (const version of [3, 9, 11]) {
    for (const pieceBytes of [1, 100, 10_000]) {
      const bytes = answers([MESSAGE.sessionParamsReply], [MESSAGE.version, version], [MESSAGE.aioOpen]);
      const link = linkThatSends(bytes, pieceBytes);
      // In pieces that are not cut at messages, what comes behind an answer is not yet asked for.
      await shakeHands(link, { patienceMs: 10_000 });
      assertEquals(link.written.map(({ length }) => length), [264, 264, 264, 264 + 14, 264, 264]);
      const types = link.written.map((message) => new DataView(message.buffer).getUint32(0, true));
      assertEquals(types, [43, 33, 51, 54, 55, 52]);
      const [token, , proposed, data] = link.written;
      assertEquals(new TextDecoder().decode(token.subarray(4, 14)), "PlainText\0");
      assertEquals(new DataView(proposed.buffer).getUint32(4, true), 11);
      assertEquals([data[4], data[8]], ["vmdkbkp".length, "nbdmode".length]);
      assertEquals(new TextDecoder().decode(data.subarray(264)), "vmdkbkpnbdmode");
      assert(data.subarray(12, 264).every((byte) => byte === 0));
    }
  }
});

Deno.test("a service that refuses, has an old version or says something else is left", async () => {
  const reply: [number] = [MESSAGE.sessionParamsReply];
  const version: [number, number] = [MESSAGE.version, 11];
  const cases: [Uint8Array, string][] = [
    [answers([MESSAGE.complete]), "refuses the session"],
    [answers(version, reply, [MESSAGE.aioOpen]), "message 51 where 36 is expected"],
    [answers(reply, [MESSAGE.version, 2], [MESSAGE.aioOpen]), "version 2"],
    [answers(reply, version, [MESSAGE.complete]), "refuses the session"],
    [answers(reply, version, [MESSAGE.aioOpen], [7]), "more than was asked"],
    [answers(reply, version).subarray(0, 500), "ends the connection"],
    [new Uint8Array(0), "ends the connection"],
  ];
  for (const [bytes, message] of cases) {
    await assertRejects(() => shakeHands(linkThatSends(bytes), { patienceMs: 10_000 }), ServerError, message);
  }
  const [silent] = MemoryLink.pair();
  await assertRejects(() => shakeHands(silent, { patienceMs: 20 }), ConnectionError, "does not answer");
});
