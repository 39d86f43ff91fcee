/** Two generations of a VMDK with metadata in one folder, sealed. */

import { assert, assertEquals } from "@std/assert";
import { Folder, noise } from "../disks/helpers.ts";
import { callMain } from "../support/run_cli.ts";

const BLOCK = 512;
const BLOCKS = 9;
/** A word of the metadata, which no digest covers, and one of the same length. */
const [WORD, OTHER_WORD] = ["vmwarelwd", "vmwareXXX"].map((word) => new TextEncoder().encode(word));

/** Two generations of a VMDK: the newer one as a dump, the older one by an rdiff, both digests, all seals. */
export class VmdkBackup extends Folder {
  readonly suffix: string;

  private constructor(suffix: string) {
    super();
    this.suffix = suffix;
  }

  /** Makes it; its archives have this suffix. */
  static async make(suffix: string): Promise<VmdkBackup> {
    const backup = new VmdkBackup(suffix);
    using source = new Folder();
    const disk = source.file("disk.vmdk", DESCRIPTOR);
    const content = noise(BLOCK * BLOCKS, 1);
    for (const n of [0, 1]) {
      content.set(noise(BLOCK, 10 + n), BLOCK * (2 + n));
      source.file("disk-flat.vmdk", content);
      const outs = ["--dumpout", backup.pathOf(`${n}.dump`), "--digestout", backup.pathOf(`${n}.digest`)];
      const ins = ["--dumpin", backup.pathOf("0.dump"), "--digestin", backup.pathOf("0.digest")];
      await backup.done(
        ...["dump", "--local", disk, "--mode", n === 0 ? "full" : "diff", ...outs],
        ...(n === 0 ? ["--blocksize", `${BLOCK}`] : [...ins, "--rdiffout", backup.pathOf("0.rdiff")]),
      );
    }
    Deno.removeSync(backup.pathOf("0.dump"));
    return backup;
  }

  /** Where a file of the backup lies as long as it has its name. */
  pathOf(name: string): string {
    return this.file(`${name}${this.suffix}`);
  }

  /** Runs a command that must succeed; returns what it prints. */
  async done(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await callMain(args);
    assertEquals(code, 0, `${args.join(" ")}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Exit codes and reports of `check`, of the folder and of the list that needs all files. */
  async checks(nameOf: (name: string) => string = (name) => name) {
    const path = (name: string) => this.pathOf(nameOf(name));
    const folder = await callMain(["check", this.path]);
    const list = ["--digestin", path("0.digest"), path("1.dump"), path("0.rdiff")];
    return { folder, list: await callMain(["check", ...list]) };
  }
}

const DESCRIPTOR = `# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="monolithicFlat"
RW ${BLOCKS} FLAT "disk-flat.vmdk" 0
ddb.adapterType = "lsilogic"
ddb.comment = "vmwarelwd"
`;

/** A plain archive with another word in its metadata: all of its fields are as good as before. */
export function withOtherWord(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const at = bytes.findIndex((_, i) => WORD.every((byte, j) => bytes[i + j] === byte));
  assert(at > 0, "the word is not there");
  bytes.set(OTHER_WORD, at);
  return bytes;
}
