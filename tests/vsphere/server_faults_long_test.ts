/**
 * The clients against each fault of the strict test server, once and lasting: the right disk or a clear
 * error, and nothing of the client's is left.
 */

import { assert } from "@std/assert";
import { ServerError } from "../../cli/errors.ts";
import { MIB, ServerWorld, testWithServer } from "./server_world.ts";

/** All faults of the server's list, and whether the disk can be read all the same when they happen once. */
const FAULTS: Record<string, Record<string, unknown>[]> = {
  call: [
    ...["SystemError", "InvalidState"].flatMap((type) =>
      ["RetrievePropertiesEx", "NfcGetVmFiles", "QueryChangedDiskAreas"].map((method) => ({
        kind: "fault",
        type,
        method,
        text: "no",
      }))
    ),
    { kind: "task", method: "CreateSnapshot_Task", type: "SnapshotFault", text: "no" },
    {
      kind: "task",
      method: "CreateSnapshot_Task",
      type: "ApplicationQuiesceFault",
      text: "no",
      when: "quiesce",
    },
    { kind: "expire", method: "RetrievePropertiesEx" },
    { kind: "expire", method: "NfcGetVmFiles" },
    { kind: "expire", method: "QueryChangedDiskAreas" },
    { kind: "expire", method: "Logout" },
    { kind: "slow", ms: 50 },
    { kind: "status", code: 503, method: "RetrievePropertiesEx" },
    { kind: "body", text: "<a>", method: "RetrievePropertiesEx" },
    { kind: "cut", bytes: 300, method: "RetrievePropertiesEx" },
    { kind: "cut", bytes: 300, method: "NfcGetVmFiles" },
    { kind: "drop", method: "NfcGetVmFiles" },
    { kind: "drop", method: "QueryChangedDiskAreas" },
  ],
  folder: [{ kind: "status", code: 500 }, { kind: "cut", bytes: 100 }],
  changes: [
    "nothing",
    "beyond",
    "unsorted",
    "negative",
    "zero-length",
    "negative-length",
    "too-long",
    "other-start",
  ]
    .map((kind) => ({ kind })),
  ticket: ["expired", "used", "unknown", "thumbprint"].map((kind) => ({ kind })),
  tls: ["other", "forged", "v1"].flatMap((kind) =>
    ["443", "session1", "session2"].map((when) => ({ kind, when }))
  ),
  connection: [
    ...[1, 100, 1000, 3000, 6000, 100_000, 1_000_000].map((bytes) => ({ kind: "cut", bytes })),
    { kind: "trickle", bytes: 5000 },
  ],
  greeting: ["text", "long", "no-ssl", "no-sha256", "silence", "close"].map((kind) => ({
    kind,
    text: "SSH-2.0",
  })),
  dialogue: [
    ...["banner", "thumbprint-text", "refuse", "grant"].map((kind) => ({ kind, text: "530 no" })),
    { kind: "thumbprint" },
    { kind: "close" },
  ],
  handshake: [36, 51, 52].flatMap((code) =>
    ["refuse", "type", "version", "silence", "close", "short"].map((kind) => ({ kind, code, bytes: 2 }))
  ),
  record: [2, 9, 22, 4, 7, 11, 13, 5, 3].flatMap((opcode) => [
    { kind: "error", opcode, code: 7, text: "no", reply: false },
    { kind: "error", opcode, code: 7, text: "no", reply: true },
    { kind: "error", opcode, code: 11, text: "no", reply: false },
    ...["status", "magic", "opcode", "length", "sequence", "garbage", "silence", "close"]
      // Answers of four bytes have no room for a status.
      .filter((kind) => kind !== "status" || ![22, 3].includes(opcode)).map((kind) => ({
        kind,
        opcode,
        code: 1,
      })),
  ]),
  fragment: [
    ...[
      "missing",
      "twice",
      "overlap",
      "cut",
      "garbage",
      "status",
      "direction",
      "offset",
      "total",
      "place",
      "outside",
      "bytes",
    ],
    ...["bytes-short", "empty", "huge", "extra-short", "code", "fastlz", "sequence", "reserved"],
    ...["zlib-long", "zlib-short", "zlib-bomb", "zlib-cut", "zlib-trailing", "zlib-checksum", "zlib-garbage"],
    ...["skipz-outside", "skipz-far", "skipz-overlap", "skipz-length", "skipz-cut", "skipz-header"],
  ].map((kind) => ({ kind, code: kind === "code" ? 9 : 5, bytes: 512 })),
};

for (const [at, faults] of Object.entries(FAULTS)) {
  for (const isLasting of [false, true]) {
    testWithServer(
      `a fault of ${at} that ${isLasting ? "lasts" : "happens once"} ends in the right disk or a clear error`,
      async () => {
        await using world = await ServerWorld.create({}, 3 * MIB);
        const { control } = world.server;
        let good = 0;
        for (const fault of faults) {
          const name = `${at} ${JSON.stringify(fault)}`;
          const compression = String(fault.kind).startsWith("zlib") ? "zlib" : "skipz";
          const { mark } = await world.backUp();
          const number = await control.fault({
            at,
            ...fault,
            ...(isLasting ? {} : { count: 1, skip: at === "fragment" ? 3 : 0 }),
          });
          const failure = await world.backUp({ compression, patienceMs: 300, retries: isLasting ? 1 : 3 }, {
            since: mark,
          })
            .then(() => undefined, (error) => error);
          await control.clear(number);
          if (failure === undefined) good++;
          else if (!(failure instanceof ServerError)) {
            throw new Error(`${name}: another kind of error`, { cause: failure });
          }
          const secrets = await control.secrets();
          const said = [failure?.message ?? "", ...world.events.splice(0)].join("\n");
          for (const secret of secrets) assert(!said.includes(secret), `${name}: ${said}`);
          await assertNothingLeft(world, name);
        }
        console.log(`${at}: ${good} of ${faults.length} read`);
      },
    );
  }
}

/** How long the server may take to see that a connection has ended. */
const PATIENCE_MS = 20_000;

/** Whether nothing of the client's is left, however the fault went. */
async function assertNothingLeft(world: ServerWorld, name: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await world.server.assertClean();
    } catch (cause) {
      if (performance.now() > deadline) throw new Error(`${name}: ${(cause as Error).message}`, { cause });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
