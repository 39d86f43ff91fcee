import { assertEquals, assertRejects } from "@std/assert";
import { MismatchError, UsageError } from "../../cli/errors.ts";
import { Engine } from "../../cli/jobs/engine.ts";
import { copyMachine } from "../../cli/jobs/repository/copy.ts";
import { initRepository } from "../../cli/jobs/repository/repository.ts";
import { Random } from "../../scripts/disk_image.ts";
import { noise } from "../disks/helpers.ts";
import { changed, randomDisk, randomSize } from "../integration/random_disk.ts";
import { BLOCK_BYTES, type Contents, RepositoryWorld } from "./world.ts";

type Bytes = Uint8Array<ArrayBuffer>;

Deno.test("copy gives a second repository what it lacks, whatever the first one has forgotten", async () => {
  await using engine = await Engine.start({ threads: 1 });
  for (let seed = 1; seed <= 6; seed++) {
    const random = new Random(seed);
    using first = new RepositoryWorld(engine);
    using second = new RepositoryWorld(engine);
    await initRepository(second.repository);
    let disks: Contents = draw(random);
    for (let step = 0; step < 7; step++) {
      disks = random.below(5) === 0 ? draw(random) : Object.fromEntries(
        Object.entries(disks).map(([key, bytes]) => [key, changed(bytes, random) as Bytes]),
      );
      await first.backup(disks, { note: random.below(3) === 0 ? "keep" : undefined });
      if (random.below(3) === 0) await first.forgetUnnoted();
      if (random.below(2) === 0) continue;
      const request = { repository: first.repository, machine: "m", to: second.repository };
      const { copied } = await copyMachine(request, { engine });
      for (const id of copied) second.wanted.set(id, first.wanted.get(id)!);
      const hint = `seed ${seed}, step ${step}`;
      assertEquals(second.wanted.has([...first.wanted.keys()].at(-1)!), true, hint);
      await second.assertWhole(hint);
      assertEquals(await second.faults(), [], hint);
      assertEquals((await copyMachine(request, { engine })).copied, [], hint);
    }
  }
});

function draw(random: Random): Contents {
  const keys = ["a", "b"].slice(0, 1 + random.below(2));
  return Object.fromEntries(
    keys.map((key) => [key, randomDisk(random, randomSize(random, BLOCK_BYTES)) as Bytes]),
  );
}

Deno.test("copy commits no generation that the source does not prove, and refuses what does not belong together", async () => {
  await using engine = await Engine.start({ threads: 1 });
  using first = new RepositoryWorld(engine);
  using second = new RepositoryWorld(engine);
  const a = noise(5 * BLOCK_BYTES, 1) as Bytes;
  await first.backup({ a });
  const to = second.repository;
  await assertRejects(
    () => copyMachine({ repository: first.repository, machine: "m", to: first.repository }, { engine }),
    UsageError,
    "it is the one that is copied",
  );
  await initRepository(to);
  const request = { repository: first.repository, machine: "m", to };
  const image = `${first.machine}/image/a-flat.vmdk`;
  const bytes = Deno.readFileSync(image);
  Deno.writeFileSync(image, bytes.with(9000, bytes[9000] ^ 1));
  await assertRejects(() => copyMachine(request, { engine }), MismatchError, "do not have the root");
  assertEquals(await second.listed(), []);
  Deno.writeFileSync(image, bytes);
  const { copied } = await copyMachine(request, { engine });
  second.wanted.set(copied[0], { a });
  await second.assertWhole();

  using other = new RepositoryWorld(engine);
  await other.backup({ a: noise(5 * BLOCK_BYTES, 2) as Bytes });
  await assertRejects(
    () => copyMachine({ repository: other.repository, machine: "m", to }, { engine }),
    MismatchError,
    'has another disk "a"',
  );
});
