/**
 * Memory does not grow with what is backed up: not with the disk, not with the number of archives.
 */

import { dumpHeaderBytes } from "../../cli/archive/header.ts";
import { Random } from "../../scripts/disk_image.ts";
import { Folder, noise } from "../disks/helpers.ts";
import { drawRdiff, headerOf } from "../pipeline/drawn_archives.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";
import { testWith } from "../support/skip.ts";
import { assertPeak, MIB, missing, packed } from "./peak.ts";

const ARCHIVES = 40;
/** What is promised: on Deno before 2.9, which takes more memory for itself and for zstd, one thread is the default. */
const MOST_THREADS = Deno.version.deno.startsWith("2.4.") ? "1" : "4";
const TEXT = new Random(3).text(MIB);

for (const suffix of ["", ".gz", ".zst"]) {
  testWith({ missing }, `Merging forty rdiffs${suffix} takes no more than 256 MiB`, async () => {
    using folder = new Folder();
    const records = await packed(recordsOf(6), suffix);
    const paths = [];
    for (let generation = ARCHIVES - 1; generation >= 0; generation--) {
      const header = headerOf("abcdef", { generation, blockBytes: MIB });
      const start = await packed(dumpHeaderBytes({ ...header, full: false }), suffix);
      paths.push(folder.file(`${generation}.rdiff${suffix}`, new MemoryFile("all", [start, records]).bytes));
    }
    await assertPeak(["merge", "--rdiffout", "/dev/null", ...paths]);
  });
}

for (const suffix of ["", ".gz", ".zst"]) {
  testWith({ missing }, `A disk of 300 MiB is dumped, compared and checked${suffix} in 256 MiB`, async () => {
    using folder = new Folder();
    const path = (name: string) => folder.file(name);
    for (const [name, seed] of [["0.raw", 1], ["1.raw", 2]] as const) {
      using file = Deno.createSync(path(name));
      const content = noise(MIB, 1);
      // Every fourth block changes, every third is text, which takes the compressors longest.
      for (let i = 0; i < 300; i++) {
        file.writeSync(i % 4 === 0 ? noise(MIB, seed) : i % 3 === 0 ? TEXT : content);
      }
    }
    const [dump0, dump1, rdiff] = ["0.dump", "1.dump", "0.rdiff"].map((name) => path(name + suffix));
    const digests = ["--digestin", path("0.digest"), "--digestout", path("1.digest")];
    const commands = [
      [
        "dump",
        "--mode",
        "full",
        "--local",
        path("0.raw"),
        "--dumpout",
        dump0,
        "--digestout",
        path("0.digest"),
      ],
      ["dump", "--mode", "diff", "--local", path("1.raw"), "--dumpin", dump0, ...digests]
        .concat("--dumpout", dump1, "--rdiffout", rdiff),
      ["check", "--digestin", path("0.digest"), dump1, rdiff],
      ["merge", "--dumpout", path(`merged.dump${suffix}`), dump1, rdiff],
      ["restore", "--create", "--local", path("back.raw"), dump1, rdiff],
    ];
    for (const command of commands) {
      await assertPeak(command);
    }
  });
}

for (
  const [days, suffix, blockBytes] of [[8, ".gz", 4096], [6, ".zst", MIB], [6, ".zst", 16 * MIB]] as const
) {
  testWith(
    { missing },
    `${days} archives${suffix} of blocks of ${blockBytes} bytes, on ${MOST_THREADS} threads`,
    async () => {
      using folder = new Folder();
      const path = (name: string) => folder.file(name);
      const list: string[] = [];
      for (let day = 0; day < days; day++) {
        using file = Deno.createSync(path("disk.raw"));
        for (let i = 0; i < 72; i++) file.writeSync(i % 12 < 2 * day ? noise(MIB, 100 * day + i) : TEXT);
        const out = [
          "--dumpout",
          path(`${day}.dump${suffix}`),
          "--digestout",
          path(`${day}.digest`),
          "--threads",
          MOST_THREADS,
        ];
        const previous = [
          "--dumpin",
          path(`${day - 1}.dump${suffix}`),
          "--digestin",
          path(`${day - 1}.digest`),
        ];
        const args = day === 0
          ? ["--mode", "full", "--blocksize", `${blockBytes}`]
          : ["--mode", "diff", ...previous, "--rdiffout", path(`${day - 1}.rdiff${suffix}`)];
        await assertPeak(["dump", "--local", path("disk.raw"), ...args, ...out]);
        if (day > 0) list.unshift(path(`${day - 1}.rdiff${suffix}`));
      }
      const archives = [path(`${days - 1}.dump${suffix}`), ...list];
      const threads = ["--threads", MOST_THREADS];
      for (
        const command of [
          ["check", "--digestin", path("0.digest"), ...threads, ...archives],
          ["merge", "--dumpout", path(`merged.dump${suffix}`), ...threads, ...archives],
          ["restore", "--local", path("disk.raw"), ...threads, ...archives],
        ]
      ) {
        await assertPeak(command);
      }
    },
  );
}

testWith(
  { missing },
  `Digests of 16 million blocks pass by in 256 MiB, on ${MOST_THREADS} threads`,
  async () => {
    using folder = new Folder();
    const [disk, dump, digest] = ["0.raw", "0.dump", "0.digest"].map((name) => folder.file(name));
    Deno.createSync(disk).close();
    Deno.truncateSync(disk, 8 * 1024 * MIB);
    const threads = ["--threads", MOST_THREADS];
    for (
      const command of [
        ["dump", "--mode", "full", "--blocksize", "512", "--local", disk, "--dumpout", dump],
        ["check", "--digestin", digest, dump],
        ["seal", "--force", dump, digest],
      ]
    ) {
      const outputs = command[0] === "dump" ? ["--digestout", digest] : [];
      await assertPeak([...command, ...outputs, ...threads]);
    }
  },
);

/** The records of an rdiff that holds so many blocks of noise. */
function recordsOf(blocks: number): Uint8Array {
  const drawn = "abcdefghij".slice(0, blocks);
  const headerBytes = drawRdiff("_".repeat(blocks), { blockBytes: MIB }).bytes.length;
  return drawRdiff(drawn, { blockBytes: MIB }).bytes.subarray(headerBytes);
}
