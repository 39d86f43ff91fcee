/**
 * Full dumps that were interrupted. Whatever is left of the dump and of its journal, `--resume` must make the
 * bytes that an uninterrupted run makes.
 */

import { assert, assertEquals } from "@std/assert";
import { Core } from "../../cli/core.ts";
import { dumpFull } from "../../cli/pipeline/dump.ts";
import { Random } from "../../scripts/disk_image.ts";
import { Folder } from "../disks/helpers.ts";
import { MemoryDisk } from "../pipeline/memory_disk.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";
import { denoArgs, runCli } from "../support/run_cli.ts";
import { headerIn, hiddenIn, Interrupted, mixedDisk } from "./interrupted.ts";
import { equalBytes } from "./same_bytes.ts";

const KIB = 1024;
const MIB = 1024 * 1024;
const SUFFIXES = ["", ".gz", ".zst"];

/**
 * Registers tests that cut and damage what is left of a dump and its journal, and then resume the dump.
 *
 * @param options `scale`: a factor for the sizes of the disks; `cuts`: how often each kind of damage is tried
 */
export function testLeftovers({ scale, cuts }: { scale: number; cuts: number }): void {
  // Small blocks are written together, large ones from where they are in memory, the largest in several
  // pieces. One disk ends within its last block.
  const disks = [
    { blockBytes: 512, sizeBytes: scale * 3 * MIB },
    { blockBytes: 64 * KIB, sizeBytes: scale * 7 * MIB + 512 },
    { blockBytes: MIB, sizeBytes: scale * 12 * MIB },
    { blockBytes: 3 * MIB, sizeBytes: scale * 18 * MIB },
  ];
  for (const disk of disks) {
    for (const z of SUFFIXES) {
      const seed = disk.blockBytes + z.length;
      Deno.test(`dump --resume keeps the proved blocks of a cut or damaged dump "${z}" with blocks of ${disk.blockBytes} bytes (seed ${seed})`, async () => {
        const random = new Random(seed);
        using work = await Interrupted.of(random, { ...disk, z });
        const { dump, journal } = work;
        const blocks = Math.ceil(disk.sizeBytes / disk.blockBytes);
        const go = (left: { dump?: Uint8Array; journal?: Uint8Array; what: string }) =>
          work.resumed({ dump, journal, z, threads: random.below(2) === 0 ? 1 : 4, ...left });

        assertEquals(await go({ what: "dump and journal are complete" }), blocks);
        assertEquals(await go({ dump: dump.subarray(0, 0), what: "no dump" }), 0);
        for (let i = 0; i < cuts; i++) {
          const at = random.below(dump.length);
          const kept = await go({ dump: dump.subarray(0, at), what: `dump cut at byte ${at}` });
          assert(kept <= blocks);
          const recorded = random.below(blocks + 1);
          const spare = random.below(16);
          const what = `journal cut in block ${recorded}`;
          const cut = journal.subarray(0, 48 + recorded * 16 + spare);
          assert(await go({ journal: cut, what }) <= recorded, what);
          await go({ dump: dump.subarray(0, at), journal: cut, what: `dump cut at byte ${at}, ${what}` });
        }
        for (let i = 0; i < cuts; i++) {
          const at = dump.length >> 1 | random.below(dump.length >> 2);
          const damaged = dump.slice();
          damaged[at] ^= 1 << random.below(8);
          const kept = await go({
            dump: damaged,
            what: `a bit of byte ${at} of ${dump.length} is flipped`,
          });
          assert(kept < blocks, `${kept}`);
          // At least half of the file is before the damage. At most a piece of it is lost with the
          // damaged block.
          if (dump.length > 6 * MIB) assert(kept > 0, `byte ${at} of ${dump.length}`);
          if (z === "") {
            const block = work.blockAt(at);
            assert(
              kept === block || kept === block - 1,
              `byte ${at} is in block ${block}, ${kept} were kept`,
            );
          }
          const block = random.below(blocks);
          const wrong = journal.slice();
          wrong[48 + block * 16 + random.below(16)] ^= 1 << random.below(8);
          const what = `the journal is wrong in block ${block}`;
          assert(await go({ journal: wrong, what }) <= block, what);
        }
      });
    }
  }
}

/**
 * Registers tests that kill a dump and resume it until it is complete, with dumps and digests in every
 * container.
 *
 * @param options `sizeBytes`: size of the disk; `kills`: how often a dump is killed at most; `threadCounts`:
 * numbers of threads to test with
 */
export function testKills(
  { sizeBytes, kills: mostKills, threadCounts }: { sizeBytes: number; kills: number; threadCounts: number[] },
): void {
  for (
    const [dumpZ, digestZ] of [["", ""], ["", ".gz"], [".gz", ""], [".gz", ".gz"], [".zst", ""], [
      ".zst",
      ".zst",
    ]]
  ) {
    for (const threads of threadCounts) {
      const seed = threads + dumpZ.length * 10 + digestZ.length * 100;
      Deno.test(`dump --resume completes a dump "${dumpZ}" with a digest "${digestZ}" on ${threads} threads that is killed again and again (seed ${seed})`, async () => {
        const random = new Random(seed);
        const blockBytes = 256 * KIB;
        using folder = new Folder();
        const bytes = mixedDisk(random, { sizeBytes, blockBytes });
        const diskPath = folder.file("disk.raw", bytes);
        const args = [
          ...["dump", "--mode", "full", "--local", diskPath, "--blocksize", `${blockBytes}`],
          ...["--dumpout", folder.file(`o.dump${dumpZ}`), "--digestout", folder.file(`o.digest${digestZ}`)],
          ...["--resume", "--threads", `${threads}`, "--json"],
        ];
        let kills = 0;
        let leftBytes = 0;
        let done: { resumedBlocks: number } | undefined;
        while (done === undefined) {
          // The dump is killed only when the journal has at least one batch, which is 24 MiB.
          const untilBytes = Math.max(leftBytes, 25 * MIB) + random.below((sizeBytes - 25 * MIB) / mostKills);
          const ended = kills < mostKills
            ? await killedAt(args, { folder: folder.path, untilBytes })
            : await runCli(args);
          if (ended === undefined) kills++;
          else {
            assertEquals(ended.code, 0, ended.stderr);
            done = JSON.parse(ended.stdout);
          }
          leftBytes = dumpLeftIn(folder.path);
        }
        console.log(`killed ${kills} times; the last run kept ${done.resumedBlocks} blocks`);
        assert(kills > 0 && done.resumedBlocks > 0, `${kills} kills, ${done.resumedBlocks} blocks`);
        const header = await headerIn(folder.file(`o.dump${dumpZ}`), dumpZ);
        const [dump, digest] = [new MemoryFile(`dump${dumpZ}`), new MemoryFile(`digest${digestZ}`)];
        await dumpFull(await Core.load(), {
          disk: new MemoryDisk(bytes),
          header,
          dumpOut: await dump.sink(),
          digestOut: await digest.sink(),
        });
        assert(equalBytes(Deno.readFileSync(folder.file(`o.dump${dumpZ}`)), dump.bytes), "the dump");
        assert(equalBytes(Deno.readFileSync(folder.file(`o.digest${digestZ}`)), digest.bytes), "the digest");
        assertEquals(hiddenIn(folder.path), []);
      });
    }
  }
}

/**
 * Runs the program and kills it when its unfinished dump is longer than `untilBytes`. Returns undefined if
 * the program was killed, else its result.
 */
async function killedAt(
  args: string[],
  { folder, untilBytes }: { folder: string; untilBytes: number },
): Promise<{ code: number; stdout: string; stderr: string } | undefined> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...denoArgs(), ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let ended = false;
  const output = child.output().finally(() => ended = true);
  while (!ended && dumpLeftIn(folder) <= untilBytes) await new Promise((resolve) => setTimeout(resolve, 1));
  if (!ended) child.kill("SIGKILL");
  const { code, signal, stdout, stderr } = await output;
  if (signal === "SIGKILL") return undefined;
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** Returns the length of the unfinished dump in bytes, 0 if there is none. */
function dumpLeftIn(folder: string): number {
  const names = hiddenIn(folder).filter((name) => /^\.o\.dump.*\.[0-9a-f]{8}\.vmdkbkp$/.test(name));
  assert(names.length <= 1, `${names}`);
  try {
    return names.length === 0 ? 0 : Deno.statSync(`${folder}/${names[0]}`).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
