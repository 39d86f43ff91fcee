/** Errors of jobs have types, and data that a program can use. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  check,
  compare,
  digest,
  dump,
  Engine,
  FileError,
  FormatError,
  merge,
  MismatchError,
  readPublicKey,
  restore,
  seal,
  UsageError,
} from "../../cli/mod.ts";
import { Folder } from "../disks/helpers.ts";
import { MemoryDisk } from "../pipeline/memory_disk.ts";
import { DrawnDisk, MIB } from "./objects.ts";

const disk = new DrawnDisk({ mib: 2 });

Deno.test("errors of jobs have a type for each kind, and data for programs", async () => {
  using folder = new Folder();
  await using engine = await Engine.start({ threads: 1 });
  const at = (name: string) => folder.file(name);
  const options = { engine };
  const files = { dumpout: at("0.dump"), digestout: at("0.digest") };
  await dump({ mode: "full", disk, ...files }, options);
  const stranger = { dumpout: at("s.dump"), digestout: at("s.digest") };
  await dump({ mode: "full", disk, ...stranger }, options);
  const cut = at("cut.dump");
  Deno.writeFileSync(cut, Deno.readFileSync(files.dumpout).subarray(0, 30));
  const target = () => new MemoryDisk(new Uint8Array(2 * MIB));
  const trustedKey = await readPublicKey(
    new TextEncoder().encode("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"),
    "a key of somebody else",
  );

  // deno-lint-ignore no-explicit-any -- classes of errors with different constructors
  const cases: [name: string, run: () => Promise<unknown>, type: abstract new (...args: any[]) => Error][] = [
    ["an output exists", () => dump({ mode: "full", disk, ...files }, options), UsageError],
    [
      "an output is an input",
      () => digest({ dumpin: files.dumpout, digestout: files.dumpout }, { engine, force: true }),
      UsageError,
    ],
    ["one archive is merged", () => merge({ archives: [cut], dumpout: at("m") }, options), UsageError],
    ["a stream is sealed", () => seal({ files: ["-"] }, options), UsageError],
    [
      "keys and no seals",
      () => compare({ a: cut, b: cut }, { engine, trustedKey, withoutSeal: true }),
      UsageError,
    ],
    ["an archive is cut", () => restore({ archives: [cut], disk: target() }, options), FormatError],
    ["an archive is no archive", () => compare({ a: "/dev/null", b: cut }, options), FormatError],
    [
      "the disk is too small",
      () => restore({ archives: [files.dumpout], disk: new MemoryDisk(new Uint8Array(MIB)) }, options),
      MismatchError,
    ],
    [
      "the digest is of another series",
      () =>
        restore(
          { archives: [files.dumpout], disk: target(), verify: true, digestin: stranger.digestout },
          options,
        ),
      MismatchError,
    ],
    [
      "no trusted seal",
      () => restore({ archives: [files.dumpout], disk: target() }, { engine, trustedKey }),
      MismatchError,
    ],
    ["a file is missing", () => compare({ a: at("none"), b: cut }, options), FileError],
    [
      "the folder of an output is missing",
      () => dump({ mode: "full", disk, dumpout: at("none/0.dump"), digestout: at("none/0.digest") }, options),
      FileError,
    ],
  ];
  for (const [name, run, type] of cases) {
    const error = await run().then(() => undefined, (error) => error);
    assertInstanceOf(error, type, `${name}: ${error}`);
    assertEquals(error.name, type.name, name);
    assertEquals(engine.usedBytes, 0, name);
    if (error instanceof FormatError) assert(error.fault.path !== undefined, name);
    if (error instanceof FileError) {
      assert(error.fault.path.includes("none") && error.fault.reason !== "", name);
    }
  }
});

Deno.test("damage is a result of check(), with the error as a value", async () => {
  using folder = new Folder();
  const files = { dumpout: folder.file("0.dump"), digestout: folder.file("0.digest") };
  await dump({ mode: "full", disk, ...files }, { threads: 1 });
  Deno.writeFileSync(files.dumpout, Deno.readFileSync(files.dumpout).subarray(0, -1));
  const { ok, failure } = await check({ archives: [files.dumpout], digestin: files.digestout }, {
    threads: 1,
  });
  assertEquals(ok, false);
  assertInstanceOf(failure, FormatError);
});
