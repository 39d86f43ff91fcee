import process from "node:process";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { NfcDisk, type NfcDiskOptions } from "../../../cli/vsphere/nfc/disk.ts";
import { mixedContent, randomFrom } from "../random.ts";
import { assertSame } from "../same.ts";
import { PortPeer } from "./port_peer.ts";
import { makeCertificate } from "../certificates.ts";
import { TrustError } from "../../../cli/vsphere/errors.ts";
import { ServerError } from "../../../cli/errors.ts";

const PATH = "[ds1] web01/web01.vmdk";
const MIB = 1 << 20;

/**
 * Each message in a TLS record of its own, with what the cipher adds; in TLS 1.3 the end of the handshake
 * looks alike.
 */
const MESSAGES = [264, 264, 264, 264 + "vmdkbkpnbdmode".length, 264, 264];
const RECORDS = {
  "TLSv1.2": [...MESSAGES, ...MESSAGES].map((length) => length + 24),
  "TLSv1.3": [69, ...MESSAGES.map((length) => length + 17)],
};

function optionsFor(peer: PortPeer, content: Uint8Array, more: Partial<NfcDiskOptions> = {}): NfcDiskOptions {
  return {
    path: PATH,
    takeTicket: () => Promise.resolve(peer.ticket()),
    isEncrypted: true,
    retries: 2,
    firstWaitMs: 1,
    patienceMs: 20_000,
    onEvent: () => {},
    isMapped: true,
    known: { capacityBytes: content.length, adapterType: 3 },
    ...more,
  };
}

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  for (const isEncrypted of [true, false]) {
    Deno.test(`a disk is read over ${maxVersion}, ${isEncrypted ? "encrypted" : "in clear"}`, async () => {
      const content = mixedContent(5 * MIB + 512, 1);
      await using peer = await PortPeer.start({
        content,
        path: PATH,
        maxVersion,
        random: randomFrom(2),
        lateAck: true,
        ddb: { adapterType: "lsilogic", uuid: "60 00 C2 9e" },
      });
      for (const compression of ["none", "zlib", "skipz"] as const) {
        const disk = await NfcDisk.open(optionsFor(peer, content, { isEncrypted, compression }));
        const memory = new Uint8Array(new SharedArrayBuffer(content.length));
        await disk.read(memory, 0);
        assertSame(memory, content);
        assertEquals(disk.metadata, new Map([["adapterType", "lsilogic"], ["uuid", "60 00 C2 9e"]]));
        await disk.close();
      }
      await peer.settled();
      assertEquals(peer.violations, []);
      assertEquals(peer.disks.flatMap(({ violations }) => violations), []);
      assertEquals(peer.disks.map(({ isComplete }) => isComplete), [true, true, true]);
      if (isEncrypted) assertEquals(peer.messageRecords.slice(0, 7), RECORDS[maxVersion].slice(0, 7));
    });
  }
}

Deno.test("many reads under way alarm nobody", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on("warning", onWarning);
  const content = new Uint8Array(64 * MIB);
  await using peer = await PortPeer.start({ content, path: PATH });
  const disk = await NfcDisk.open(optionsFor(peer, content, { window: 32, isMapped: false }));
  await disk.read(new Uint8Array(content.length), 0);
  await disk.close();
  // Warnings come a turn later.
  await new Promise((resolve) => setTimeout(resolve, 0));
  process.off("warning", onWarning);
  assertEquals(warnings, []);
});

Deno.test("a second session with another certificate is refused before a message is sent", async () => {
  const content = mixedContent(MIB, 1);
  const secondCertificate = await makeCertificate({ algorithm: "RSA" });
  await using peer = await PortPeer.start({ content, path: PATH, secondCertificate });
  const error = await assertRejects(() => NfcDisk.open(optionsFor(peer, content)), TrustError);
  assertStringIncludes(error.message, "thumbprint");
  assertEquals(peer.connectionCount, 1);
  assertEquals(peer.disks.length, 0);
});

Deno.test("a disk that the host does not open is refused with the host's words", async () => {
  const content = mixedContent(MIB, 1);
  const refusal = { code: 1, text: "Thin/TBZ/Sparse disks cannot be opened in multiwriter mode" };
  await using peer = await PortPeer.start({
    content,
    path: PATH,
    fault: (opcode) => opcode === 4 ? refusal : undefined,
  });
  const options = optionsFor(peer, content, { hint: "name a snapshot" });
  const error = await assertRejects(() => NfcDisk.open(options), ServerError);
  assertStringIncludes(error.message, "multiwriter mode");
  assertStringIncludes(error.message, "name a snapshot");
  assertEquals(peer.connectionCount, 1);
});
