import { assertEquals, assertRejects } from "@std/assert";
import { FormatError, MismatchError } from "../../cli/errors.ts";
import { compare } from "../../cli/jobs/compare.ts";
import { dump } from "../../cli/jobs/dump.ts";
import { Engine } from "../../cli/jobs/engine.ts";
import { exportGeneration } from "../../cli/jobs/repository/export.ts";
import { check } from "../../cli/jobs/check.ts";
import { noise } from "../disks/helpers.ts";
import { BLOCK_BYTES, RepositoryWorld } from "./world.ts";

Deno.test("export writes each generation as the dump and the digest that dump makes", async () => {
  await using engine = await Engine.start({ threads: 1 });
  using world = new RepositoryWorld(engine);
  const at = (name: string) => `${world.folder}/${name}`;
  const a = noise(5 * BLOCK_BYTES - 100, 1) as Uint8Array<ArrayBuffer>;
  const ids: string[] = [];
  for (const block of [0, 2, 3]) {
    a.fill(0, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
    ids.push((await world.backup({ a })).id);
    await dump(
      {
        mode: "full",
        disk: at("a.raw"),
        blocksize: BLOCK_BYTES,
        dumpout: at(`${block}.dump`),
        digestout: at(`${block}.digest`),
      },
      { engine },
    );
  }
  for (const [i, block] of [0, 2, 3].entries()) {
    const [dumpout, digestout] = [at(`e${block}.dump.zst`), at(`e${block}.digest`)];
    const { seals } = await exportGeneration(
      { repository: world.repository, machine: "m", at: ids[i], dumpout, digestout },
      { engine },
    );
    assertEquals(seals, [at(`e${block}.seal.json`)]);
    assertEquals((await check({ archives: [dumpout] }, { engine })).ok, true);
    assertEquals((await check({ archives: [dumpout], digestin: digestout }, { engine })).ok, true);
    for (const [kind, exported] of [["dump", dumpout], ["digest", digestout]] as const) {
      const { same } = await compare({ a: exported, b: at(`${block}.${kind}`) }, { engine });
      assertEquals(same, true, `${kind} ${block}`);
    }
  }
});

Deno.test("export gives no file a name if the repository is damaged", async () => {
  await using engine = await Engine.start({ threads: 1 });
  using world = new RepositoryWorld(engine);
  const a = noise(5 * BLOCK_BYTES, 1) as Uint8Array<ArrayBuffer>;
  const { id } = await world.backup({ a });
  for (const name of ["image/a-flat.vmdk", `${id}/a.digest.zst`]) {
    const file = `${world.machine}/${name}`;
    const bytes = Deno.readFileSync(file);
    Deno.writeFileSync(file, bytes.with(bytes.length >> 1, bytes[bytes.length >> 1] ^ 1));
    const outputs = { dumpout: `${world.folder}/x.dump`, digestout: `${world.folder}/x.digest` };
    const error = await assertRejects(() =>
      exportGeneration({ repository: world.repository, machine: "m", ...outputs }, { engine })
    );
    assertEquals(error instanceof MismatchError || error instanceof FormatError, true, `${error}`);
    assertEquals([...Deno.readDirSync(world.folder)].map((entry) => entry.name).sort(), [
      "a.raw",
      "repository",
    ]);
    Deno.writeFileSync(file, bytes);
  }
});
