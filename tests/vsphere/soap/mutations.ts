/** Sessions with a management interface in which one reply is not as it should be. */

import { assert } from "@std/assert";
import { readDatastoreFile } from "../../../cli/vsphere/datastore_file.ts";
import { findMachine } from "../../../cli/vsphere/inventory.ts";
import { listChanges } from "../../../cli/vsphere/change_list.ts";
import { parseThumbprint } from "../../../cli/vsphere/net/trust.ts";
import { missingPrivileges } from "../../../cli/vsphere/rights.ts";
import { VsphereSession } from "../../../cli/vsphere/session.ts";
import { withSnapshot } from "../../../cli/vsphere/snapshot.ts";
import { takeTicket } from "../../../cli/vsphere/ticket.ts";
import { MemoryServer, RECORDED } from "../memory_server.ts";
import { assertClear, type MutationCounts } from "../nfc/mutations.ts";
import { randomFrom } from "../random.ts";
import { COOKIE, PASSWORD, SESSION_KEY, USER } from "../soap_server.ts";

const AT_A_TIME = 16;

/** Sessions with the seeds from `first` on. @throws {AssertionError} that names the seed */
export async function mutateSessions(
  { first, count }: { first: number; count: number },
): Promise<MutationCounts> {
  const counts = { read: 0, refused: 0 };
  let seed = first;
  const work = async () => {
    while (seed < first + count) counts[await runSession(seed++)]++;
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return counts;
}

/** Calls of a session: about as many as {@linkcode backUp} makes. */
const CALLS = 16;

async function runSession(seed: number): Promise<keyof MutationCounts> {
  const random = randomFrom(seed);
  const below = (n: number) => Math.floor(random() * n);
  const mutated = below(CALLS);
  // A change of one byte that is no digit cannot make another list of areas of it.
  const isSmall = below(2) === 0;
  let method = "";
  const server: MemoryServer = new MemoryServer((reply, call) => {
    if (call !== mutated) return reply;
    method = server.calls[call];
    return isSmall ? changeByte(reply, below) : mutate(reply, below);
  });
  const events: string[] = [];
  try {
    const login = {
      ...{ endpoint: { host: "vc.example", port: 443 }, user: USER, password: PASSWORD },
      trust: { thumbprint: parseThumbprint("aa".repeat(20)) },
    };
    const options = {
      retries: 0,
      connect: server.connect,
      onEvent: ({ text }: { text: string }) => events.push(text),
    };
    await using session = await VsphereSession.open(login, options);
    await backUp(session, seed, () => method === "QueryChangedDiskAreas" && !isSmall);
    return "read";
  } catch (error) {
    assertClear(error, seed);
    assertSilent((error as Error).message, seed);
    return "refused";
  } finally {
    for (const text of events) assertSilent(text, seed);
  }
}

/** What a backup asks, without the bytes of the disk. */
async function backUp(session: VsphereSession, seed: number, mayDiffer: () => boolean): Promise<void> {
  const machine = await findMachine(session, { name: "web*" });
  await missingPrivileges(session, [machine.ref]);
  const wish = { name: "n", description: "d", quiesce: "no" as const };
  await withSnapshot(session, machine, wish, async ({ ref, disks }) => {
    await takeTicket(session, machine);
    const [disk] = disks;
    if (disk === undefined || disk.capacityBytes !== RECORDED.capacityBytes) return;
    const since = { changeId: "52 2d/4", capacityBytes: disk.capacityBytes };
    const list = await listChanges(session, { machine: machine.ref, snapshot: ref, disk, since });
    if (list.kind === "all" || mayDiffer()) return;
    const found = [...list.areas].map(({ startBytes, endBytes }) => [startBytes, endBytes - startBytes]);
    assert(
      JSON.stringify(found) === JSON.stringify(RECORDED.areas),
      `seed ${seed}: the areas are ${JSON.stringify(found)}`,
    );
  });
  await readDatastoreFile(session, "[ds1] web01/web01.vmx", { datacenterPath: "DC" });
}

function assertSilent(text: string, seed: number): void {
  for (const secret of [PASSWORD, COOKIE.slice(21, -1), SESSION_KEY, RECORDED.ticket]) {
    assert(!text.includes(secret), `seed ${seed}: ${text}`);
  }
}

/** Another byte for one that is no digit. */
function changeByte(reply: Uint8Array, below: (n: number) => number): Uint8Array {
  const bytes = reply.slice();
  for (;;) {
    const at = below(bytes.length);
    const [was, is] = [bytes[at], below(256)];
    const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39;
    if (isDigit(was) || isDigit(is)) continue;
    bytes[at] = is;
    return bytes;
  }
}

const PIECES = [
  "<",
  ">",
  "&",
  "&#0;",
  "&#x26;",
  "]]>",
  "<!--",
  "-->",
  "<![CDATA[",
  "<!DOCTYPE a>",
  '<?xml version="1.0"?>',
  "<a>",
  "</a>",
  "<returnval>",
  "</returnval>",
  "99999999999999999999",
  "-1",
  "1e9",
  "true",
  "\u0000",
  "\ufeff",
  "\u2028",
  "Transfer-Encoding: chunked\r\n",
  "Content-Length: 3\r\n",
  "\r\n\r\n",
  "<soapenv:Fault/>",
  "<changedArea><start>1</start></changedArea>",
  "é",
];

function mutate(reply: Uint8Array, below: (n: number) => number): Uint8Array {
  const at = below(reply.length);
  const end = Math.min(reply.length, at + below(200));
  const before = [...reply.subarray(0, at)];
  const piece = new TextEncoder().encode(PIECES[below(PIECES.length)]);
  switch (below(7)) {
    case 0:
      return reply.slice(0, at);
    case 1:
      return new Uint8Array([...before, ...reply.subarray(end)]);
    case 2:
      return new Uint8Array([...before, ...reply.subarray(at, end), ...reply.subarray(at)]);
    case 3:
      return new Uint8Array([...before, ...piece, ...reply.subarray(at)]);
    case 4:
      return reply.map((byte, i) => i >= at && i < end ? below(256) : byte);
    case 5:
      return new TextEncoder().encode(
        new TextDecoder().decode(reply).replace(/\d+(?=<)/, PIECES[15 + below(4)]),
      );
    default: {
      // The length in the header follows, so that the document is what is wrong.
      const text = new TextDecoder().decode(reply);
      const [head, body] = text.split("\r\n\r\n", 2);
      const cut = below(body.length);
      const changed = new TextEncoder().encode(
        body.slice(0, cut) + PIECES[below(PIECES.length)] + body.slice(cut + below(30)),
      );
      return new Uint8Array([
        ...new TextEncoder().encode(
          `${head.replace(/Content-Length: \d+/, `Content-Length: ${changed.length}`)}\r\n\r\n`,
        ),
        ...changed,
      ]);
    }
  }
}
