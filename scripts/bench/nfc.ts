/**
 * Full dumps of a disk of a server without VMware's library, compared with dumps of the file behind the disk and with
 * the time that TLS alone needs for its bytes.
 */

import { join } from "@std/path/posix/join";
import { MISSING_VSPHERE_SERVER, VsphereServer } from "../../tests/vsphere/test_server.ts";
import { type Claim, compared } from "./claims.ts";
import type { Vmdkbkp } from "./commands.ts";
import type { Figure } from "./figures.ts";
import { isInstalled } from "./process.ts";
import type { Row } from "./rows.ts";

const MIB = 1024 * 1024;
const DISK_KEY = 2000;
/** Milliseconds before each answer of the slow server. */
const LATENCY_MS = 20;
/** Size of the slow server's disk: with one read under way at a time it takes five seconds. */
const SLOW_MIB = 256;
/** Rounds for the slow server. */
const SLOW_ROUNDS = 3;

const FROM_FILE = "full dump of the file behind a disk";
const FROM_SERVER = "full dump over NFC";
const BARE_TLS = "the bytes of the disk over TLS (openssl)";
const EMPTY = "full dump over NFC, empty disk";
const windowName = (window: number) => `the same, ${LATENCY_MS} ms an answer, window ${window}`;

/** The servers of the section, which run until the end of the benchmark. */
export interface NfcServers extends AsyncDisposable {
  readonly rows: Row[];
}

/**
 * Starts a fast and a slow server with one disk each, and one that sends a file over TLS. `mib`: the size of the fast
 * server's disk, half of which is data. Returns undefined without Go or openssl, which is noted.
 */
export async function nfcServers(
  vmdkbkp: Vmdkbkp,
  { mib, folder, note }: { mib: number; folder: string; note: (text: string) => void },
): Promise<NfcServers | undefined> {
  if (MISSING_VSPHERE_SERVER !== undefined || !isInstalled("openssl")) {
    note("dumps over NFC are not measured: the test server needs Go, and TLS alone needs openssl");
    return undefined;
  }
  await using started = new AsyncDisposableStack();
  const serve = async (sizeMib: number, dataMib: number, { isSlow = false } = {}) => {
    const files = join(folder, `nfc-${sizeMib}-${dataMib}`);
    Deno.mkdirSync(files);
    const server = started.use(await VsphereServer.start({ folder: files }));
    const { control, host, port, user, sha1 } = server;
    const { ref, disks: [{ path, file }] } = await control.addMachine({
      name: "web",
      disks: [{ bytes: sizeMib * MIB }],
    });
    if (dataMib > 0) await control.fill(ref, DISK_KEY, 0, dataMib * MIB, 1);
    const snapshot = await control.createSnapshot(ref, "bench");
    await control.settings({ noReads: true, ...(isSlow ? { latencyMs: LATENCY_MS } : {}) });
    return {
      file,
      env: { VMDKBKP_PASSWORD: server.password },
      options: [
        ...["--transport", "nfc", "--server", `${host}:${port}`, "--username", user, "--thumbprint", sha1],
        ...["--vm", ref, "--snapshot", snapshot, "--remote", path],
      ],
    };
  };
  const fast = await serve(mib, mib / 2);
  const empty = await serve(mib, 0);
  const slow = await serve(SLOW_MIB, SLOW_MIB, { isSlow: true });
  // By its own name the file is taken for an extent.
  const file = join(folder, "nfc.raw");
  Deno.linkSync(fast.file, file);
  const tls = started.use(await TlsFileServer.start(folder, "nfc.raw"));

  const outputs = "--dumpout new.dump --digestout new.digest --force";
  const made = { makes: ["new.dump", "new.digest"], ours: true };
  const overNfc = ({ options, env }: typeof fast, more = "") => ({
    command: [...vmdkbkp(`dump --mode full ${outputs}${more}`), ...options],
    env,
    ...made,
  });
  const rows: Row[] = [
    { name: FROM_FILE, command: vmdkbkp(`dump --mode full --local ${file} ${outputs}`), ...made },
    { name: FROM_SERVER, ...overNfc(fast), proof: vmdkbkp("check --digestin new.digest new.dump") },
    { name: BARE_TLS, command: tls.download },
    { name: EMPTY, ...overNfc(empty) },
    ...[1, 16].map((window) => ({
      name: windowName(window),
      ...overNfc(slow, ` --window ${window}`),
      rounds: SLOW_ROUNDS,
    })),
  ];
  const running = started.move();
  return { rows, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** Returns the claims about dumps over NFC. */
export function nfcClaims(nfc: Figure[]): Claim[] {
  const seconds = (name: string) => nfc.find((figure) => figure.name === name)?.seconds;
  const sum = (a?: number, b?: number) => a === undefined || b === undefined ? undefined : a + b;
  const [file, tls, start] = [seconds(FROM_FILE), seconds(BARE_TLS), seconds(EMPTY)];
  // What is left without the time to start, to log in and to end.
  const reading = (window: number) => sum(seconds(windowName(window)), start && -start);
  return [
    compared(FROM_SERVER, {
      value: seconds(FROM_SERVER),
      to: sum(file && 1.5 * file, tls),
      of: "(1.5 x a dump of the file + the bytes over TLS)",
      atMost: 1,
    }),
    compared(`reading with ${LATENCY_MS} ms an answer, window 1`, {
      value: reading(1),
      to: reading(16),
      of: "window 16",
      atLeast: 10,
    }),
  ];
}

/** Sends one file over TLS to whoever connects: what TLS alone costs. */
class TlsFileServer implements AsyncDisposable {
  /** The command that receives the file and drops it. */
  readonly download: string[];
  readonly #process: Deno.ChildProcess;

  private constructor(process: Deno.ChildProcess, port: number, name: string) {
    this.#process = process;
    const request = `printf 'GET /${name} HTTP/1.0\\r\\n\\r\\n'`;
    this.download = [
      "sh",
      "-c",
      `${request} | openssl s_client -quiet -connect 127.0.0.1:${port} > /dev/null`,
    ];
  }

  /** Sends the file `name` of `folder`. */
  static async start(folder: string, name: string): Promise<TlsFileServer> {
    const [key, certificate] = ["tls.key", "tls.crt"];
    const openssl = (args: string[]) =>
      new Deno.Command("openssl", { args, cwd: folder, stdin: "null", stdout: "null", stderr: "null" });
    const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"];
    await openssl([...request, "-keyout", key, "-out", certificate]).output();
    const port = freePort();
    const address = ["-accept", `127.0.0.1:${port}`, "-cert", certificate, "-key", key];
    return new TlsFileServer(openssl(["s_server", "-quiet", "-WWW", ...address]).spawn(), port, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}
