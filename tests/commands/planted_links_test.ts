import { assertEquals } from "@std/assert";
import { parseSeal } from "../../cli/archive/seal.ts";
import { Archives } from "../refusals/refusal.ts";

const FULL = "dump --mode full --blocksize 512 --local d0.raw --dumpout n.dump --digestout n.digest --force";
const IMPORTANT = new TextEncoder().encode("an important file");

/** Archives beside an important file, to which links with these names lead. */
function withLinks(...names: string[]): Archives {
  const archives = new Archives({ "keys.txt": IMPORTANT });
  for (const name of names) Deno.symlinkSync("keys.txt", archives.file(name));
  return archives;
}

Deno.test("--force writes no seal through a link that has its name", async () => {
  using archives = withLinks("n.seal.json");
  await archives.done(FULL);
  assertEquals(archives.read("keys.txt"), IMPORTANT);
  assertEquals(Deno.readLinkSync(archives.file("n.seal.json")), "keys.txt");
  // The seal has the next one of its names.
  await archives.done("check n.dump");
  const { files } = await parseSeal(archives.read("n.dump.seal.json"), "n.dump.seal.json");
  assertEquals(files.map(({ name }) => name), ["n.dump", "n.digest"]);
});

Deno.test("--force makes no file of a new disk through a link that the command line does not name", async () => {
  using archives = withLinks("n-flat.vmdk");
  const line = "restore --create --local n.vmdk --force g0.dump";
  await archives.refused(line, { code: 2, says: ["n-flat.vmdk", "symbolic link", "remove the link"] });
  assertEquals(archives.read("keys.txt"), IMPORTANT);
});

Deno.test("--force follows a link that the command line names", async () => {
  using archives = withLinks("n.dump");
  await archives.done(FULL);
  assertEquals(Deno.readLinkSync(archives.file("n.dump")), "keys.txt");
  await archives.done("compare keys.txt n.dump");
});
