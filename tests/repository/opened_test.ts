import { assertEquals } from "@std/assert";
import { Engine } from "../../cli/jobs/engine.ts";
import { noise } from "../disks/helpers.ts";
import { testWith } from "../support/skip.ts";
import { BLOCK_BYTES, RepositoryWorld } from "./world.ts";

function run(program: string, ...args: string[]): { success: boolean; text: string } {
  try {
    const { success, stdout, stderr } = new Deno.Command(program, { args }).outputSync();
    return { success, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
  } catch {
    return { success: false, text: "" };
  }
}

const missing = run("qemu-img", "--version").success ? undefined : "qemu-img is not installed";

testWith(
  { missing },
  "qemu-img opens the image of every kind of backup, and finds the bytes of the disk",
  async () => {
    await using engine = await Engine.start({ threads: 1 });
    using world = new RepositoryWorld(engine);
    const a = noise(6 * BLOCK_BYTES + 1024, 1) as Uint8Array<ArrayBuffer>;
    for (const change of [0, 2, 3]) {
      a.fill(0, change * BLOCK_BYTES, (change + 1) * BLOCK_BYTES);
      await world.backup({ a });
      const image = `${world.machine}/image/a.vmdk`;
      const info = JSON.parse(run("qemu-img", "info", "--output=json", image).text);
      assertEquals([info.format, info["virtual-size"]], ["vmdk", a.length]);
      const compared = run("qemu-img", "compare", "-F", "raw", image, `${world.folder}/a.raw`);
      assertEquals(compared, { success: true, text: "Images are identical.\n" });
    }
    assertEquals(await world.faults(), []);
  },
);

const noExt4 = run("mkfs.ext4", "-V").success && run("debugfs", "-V").success
  ? undefined
  : "mkfs.ext4 or debugfs is not installed";

testWith({ missing: noExt4 }, "debugfs lists the files of a file system in an image", async () => {
  await using engine = await Engine.start({ threads: 1 });
  using world = new RepositoryWorld(engine);
  const disk = `${world.folder}/fs.raw`;
  Deno.writeFileSync(disk, new Uint8Array(2 ** 20));
  assertEquals(run("mkfs.ext4", "-q", "-F", disk).success, true);
  await world.backup({ fs: Deno.readFileSync(disk) });
  const listing = run("debugfs", "-R", "ls /", `${world.machine}/image/fs-flat.vmdk`);
  assertEquals(/lost\+found/.test(listing.text), true, listing.text);
  assertEquals(await world.faults(), []);
});
