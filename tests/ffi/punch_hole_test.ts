import { assert, assertEquals } from "@std/assert";
import { openHolePuncher } from "../../ffi/punch_hole.ts";
import { assertSameBytes, Folder, noise, seeded } from "../disks/helpers.ts";

const MIB = 1 << 20;

/** Whether the file system makes holes. Otherwise zeros are written, which is correct, too. */
async function makesHoles(folder: Folder): Promise<boolean> {
  const path = folder.file("probe", noise(MIB, 1));
  using file = Deno.openSync(path, { write: true });
  using puncher = openHolePuncher(path, file);
  return await puncher?.punch(0, MIB) ?? false;
}

Deno.test("HolePuncher.punch() makes exactly the given bytes zero, and gives back their room", async () => {
  using folder = new Folder();
  if (!await makesHoles(folder)) return;
  for (let seed = 1; seed <= 10; seed++) {
    const random = seeded(seed);
    const bytes = noise(MIB + random(5000), seed);
    const path = folder.file(`${seed}`, bytes);
    using file = Deno.openSync(path, { write: true });
    using puncher = openHolePuncher(path, file);
    for (let i = 0; i < 5; i++) {
      const at = random(bytes.length);
      const lenBytes = 1 + random(bytes.length - at);
      assertEquals(await puncher!.punch(at, lenBytes), true);
      bytes.fill(0, at, at + lenBytes);
    }
    assertSameBytes(Deno.readFileSync(path), bytes, `seed ${seed}`);
    assertEquals(await puncher!.punch(0, bytes.length), true);
    file.syncSync();
    const { size, blocks } = Deno.statSync(path);
    assertEquals(size, bytes.length);
    // The last page may stay where only a part of it lies in the file.
    assert(blocks! <= 8, `${blocks} sectors take room`);
  }
});

Deno.test("HolePuncher.punch() refuses what is no range, and does nothing after disposal", async () => {
  using folder = new Folder();
  const bytes = noise(10_000, 2);
  const path = folder.file("a", bytes);
  using file = Deno.openSync(path, { write: true });
  const puncher = openHolePuncher(path, file);
  if (puncher === undefined) return;
  for (const [at, lenBytes] of [[0, 0], [-1, 5], [5, -1]]) {
    assertEquals(await puncher.punch(at, lenBytes), false);
  }
  puncher[Symbol.dispose]();
  puncher[Symbol.dispose]();
  assertEquals(await puncher.punch(0, 4096), false);
  assertSameBytes(Deno.readFileSync(path), bytes, "nothing is changed");
});

Deno.test("openHolePuncher() opens nothing but the regular file that is open", () => {
  using folder = new Folder();
  const path = folder.file("a", noise(4096, 3));
  using file = Deno.openSync(path, { write: true });
  folder.file("b", noise(4096, 4));
  Deno.renameSync(folder.file("b"), path);
  assertEquals(openHolePuncher(path, file), undefined);
  assertEquals(openHolePuncher(folder.file("absent"), file), undefined);
  using device = Deno.openSync("/dev/null", { write: true });
  assertEquals(openHolePuncher("/dev/null", device), undefined);
});
