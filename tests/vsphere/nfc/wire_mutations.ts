/** A data port behind a network that changes, cuts or holds back bytes below TLS. */

import { assert } from "@std/assert";
import { NfcDisk } from "../../../cli/vsphere/nfc/disk.ts";
import { mixedContent, randomFrom } from "../random.ts";
import { firstDifference } from "../same.ts";
import { PATH } from "./memory_port.ts";
import { assertClear, type MutationCounts } from "./mutations.ts";
import { PortPeer } from "./port_peer.ts";

/** Bytes that a whole conversation has from the host, about. */
const CONVERSATION_BYTES = 180_000;
const PATIENCE_MS = 300;
const AT_A_TIME = 8;

/** Conversations with the seeds from `first` on. @throws {AssertionError} that names the seed */
export async function mutateWires(
  { first, count }: { first: number; count: number },
): Promise<MutationCounts> {
  const content = mixedContent(150_016, 1);
  await using peer = await PortPeer.start({ content, path: PATH });
  const counts = { read: 0, refused: 0 };
  let seed = first;
  const work = async () => {
    while (seed < first + count) counts[await runMutated(peer, content, seed++)]++;
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return counts;
}

async function runMutated(peer: PortPeer, content: Uint8Array, seed: number): Promise<keyof MutationCounts> {
  const random = randomFrom(seed);
  const ticket = peer.ticket();
  // As often among the few bytes of the beginning as among all.
  const place = Math.floor(random() * (random() < 0.5 ? 6000 : CONVERSATION_BYTES));
  const kind = (["flip", "cut", "hold", "drop"] as const)[Math.floor(random() * 4)];
  await using wire = new Wire(ticket.endpoint.port, { place, kind });
  try {
    const disk = await NfcDisk.open({
      ...{ path: PATH, isEncrypted: true, isMapped: false, compression: "none", retries: 0, firstWaitMs: 1 },
      patienceMs: PATIENCE_MS,
      onEvent: () => {},
      known: { capacityBytes: content.length, adapterType: 3 },
      takeTicket: () => Promise.resolve({ ...ticket, endpoint: { host: "127.0.0.1", port: wire.port } }),
    });
    const memory = new Uint8Array(content.length);
    try {
      await disk.read(memory, 0);
    } finally {
      disk[Symbol.dispose]();
    }
    assert(firstDifference(memory, content) < 0, `seed ${seed}: wrong bytes`);
    return "read";
  } catch (error) {
    assertClear(error, seed);
    assert(!(error as Error).message.includes(ticket.sessionId), `seed ${seed}: ${error}`);
    return "refused";
  }
}

/** Passes one connection on, with one fault on the way from the host. */
class Wire implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections: Deno.Conn[] = [];
  readonly #running: Promise<void>;

  constructor(port: number, fault: { place: number; kind: "flip" | "cut" | "hold" | "drop" }) {
    this.#running = this.#run(port, fault);
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.#close();
    await this.#running;
  }

  #close(): void {
    for (const connection of this.#connections) {
      try {
        connection.close();
      } catch {
        // Closed already.
      }
    }
  }

  async #run(port: number, { place, kind }: { place: number; kind: string }): Promise<void> {
    try {
      const client = await this.#listener.accept();
      this.#connections.push(client);
      const host = await Deno.connect({ hostname: "127.0.0.1", port });
      this.#connections.push(host);
      let passed = 0;
      const change = (bytes: Uint8Array): Uint8Array | "cut" | "hold" => {
        const at = place - passed;
        passed += bytes.length;
        if (at < 0 || at >= bytes.length) return at < 0 && kind === "hold" ? "hold" : bytes;
        if (kind === "cut") return "cut";
        if (kind === "hold") return bytes.subarray(0, at);
        const changed = bytes.slice();
        changed[at] ^= 0x20;
        return kind === "flip"
          ? changed
          : new Uint8Array([...bytes.subarray(0, at), ...bytes.subarray(at + 1)]);
      };
      await Promise.all([this.#pass(client, host), this.#pass(host, client, change)]);
    } catch {
      // One of them has left.
    } finally {
      this.#close();
    }
  }

  async #pass(
    from: Deno.Conn,
    to: Deno.Conn,
    change: (bytes: Uint8Array) => Uint8Array | "cut" | "hold" = (bytes) => bytes,
  ): Promise<void> {
    const buffer = new Uint8Array(65_536);
    for (let count; (count = await from.read(buffer)) !== null;) {
      const bytes = change(buffer.subarray(0, count));
      if (bytes === "cut") break;
      if (bytes === "hold") continue;
      for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
    }
    this.#close();
  }
}
