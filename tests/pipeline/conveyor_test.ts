import { assert, assertEquals, assertRejects } from "@std/assert";
import { convey, type Stage } from "../../cli/pipeline/conveyor.ts";
import { Random } from "../../scripts/disk_image.ts";

/** What goes round: the number that it stands for now. */
interface Item {
  number: number;
}

function ringOf(length: number): Item[] {
  return Array.from({ length }, () => ({ number: -1 }));
}

/** Makes the numbers up to before `end`. */
function numbers(end: number) {
  let next = 0;
  return (item: Item) => {
    item.number = next++;
    return item.number < end;
  };
}

/** Comes back after some turns of the event loop, drawn at random. */
async function dawdle(random: Random): Promise<void> {
  for (let turns = random.below(4); turns > 0; turns--) {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

Deno.test("convey() passes every item through every stage in order, whatever the stages' speed", async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new Random(seed);
    const length = 1 + random.below(5);
    const seen: number[][] = [[], [], []];
    const stages: Stage<Item>[] = seen.map((list, at) => ({
      together: at === 1,
      each: async ({ number }) => {
        if (at > 0) assert(seen[at - 1].includes(number), `seed ${seed}: ${number} skipped a stage`);
        await dawdle(random);
        list.push(number);
      },
    }));
    await convey(ringOf(length), numbers(12), stages);
    const all = Array.from({ length: 12 }, (_, i) => i);
    assertEquals(seen[0], all, `seed ${seed}`);
    assertEquals(seen[1].toSorted((a, b) => a - b), all, `seed ${seed}`);
    assertEquals(seen[2], all, `seed ${seed}`);
  }
});

Deno.test("convey() has no more items under way than the ring has, and one at a time in an ordered stage", async () => {
  const random = new Random(7);
  let [underWay, most, inStage, mostInStage, together, mostTogether] = [0, 0, 0, 0, 0, 0];
  const fill = (item: Item) => {
    if (!numbersTo20(item)) return false;
    most = Math.max(most, ++underWay);
    return true;
  };
  const numbersTo20 = numbers(20);
  await convey(ringOf(4), fill, [
    {
      each: async () => {
        mostInStage = Math.max(mostInStage, ++inStage);
        await dawdle(random);
        inStage--;
      },
    },
    {
      together: true,
      each: async () => {
        mostTogether = Math.max(mostTogether, ++together);
        await dawdle(random);
        await dawdle(random);
        together--;
      },
    },
    { each: () => void underWay-- },
  ]);
  assertEquals([most, mostInStage], [4, 1]);
  assert(mostTogether > 1, "no two items were together");
});

Deno.test("convey() fails with the error of the earliest item, once nobody is at work any more", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new Random(seed);
    const failing = new Set([3 + random.below(3), 6 + random.below(3)]);
    const first = Math.min(...failing);
    const written: number[] = [];
    let atWork = 0;
    const fill = numbers(random.below(2) === 0 ? 20 : first + 1);
    const error = await assertRejects(() =>
      convey(ringOf(1 + random.below(4)), fill, [
        {
          together: random.below(2) === 0,
          each: async ({ number }) => {
            atWork++;
            await dawdle(random);
            atWork--;
            if (failing.has(number)) throw new Error(`item ${number}`);
          },
        },
        { each: ({ number }) => void written.push(number) },
      ]), Error);
    assertEquals(error.message, `item ${first}`, `seed ${seed}`);
    assertEquals(atWork, 0, `seed ${seed}`);
    assertEquals(written, Array.from({ length: first }, (_, i) => i), `seed ${seed}`);
  }
});

Deno.test("convey() reports a failure of an item rather than one of the filling of a later item", async () => {
  const next = numbers(10);
  const fill = (item: Item) => {
    if (next(item) && item.number === 2) throw new Error("fill");
    return true;
  };
  const late = async ({ number }: Item) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (number === 1) throw new Error("item 1");
  };
  const error = await assertRejects(() => convey(ringOf(4), fill, [{ each: late }]), Error);
  assertEquals(error.message, "item 1");
});

Deno.test("convey() without items does nothing", async () => {
  await convey(ringOf(2), () => false, [{ each: () => assert(false) }]);
});
