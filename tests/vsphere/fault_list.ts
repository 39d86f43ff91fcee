/** The faults that the test server can be told to have. */

/** All faults of the server's list, by the place where they happen. */
export const FAULTS: Record<string, Record<string, unknown>[]> = {
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
    ...["status", "magic", "opcode", "length", "sequence", "garbage", "silence", "close"].map((kind) => ({
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
