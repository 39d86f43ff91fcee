import { assertEquals } from "@std/assert";
import { disorderOf } from "./order.ts";

Deno.test("disorderOf() reports an output that is not synced before it has its name", () => {
  const temporary = "one/.n.dump.x.vmdkbkp";
  const good = ["write", "fsync", "rename", "fsync one"];
  const disorder = (steps: readonly string[]) =>
    disorderOf({
      outputs: ["one/n.dump"],
      calls: steps.map((step, i) => {
        const [kind, path = temporary] = step.split(" ");
        const call = { number: i + 1, kind, ordinal: 1, countBytes: 0, path };
        return kind === "rename" ? { ...call, path: "one/n.dump", from: temporary } : call;
      }),
    });
  assertEquals(disorder(good), []);
  assertEquals(disorder(["write", "fsync", "rename"]), ['the name of "one/n.dump" is not synced']);
  assertEquals(disorder(["write", "fsync", "fsync one", "rename"]), [
    'the name of "one/n.dump" is not synced',
  ]);
  const late = ['"one/n.dump" is not synced behind its last write before it is renamed'];
  assertEquals(disorder(["write", "rename", "fsync", "fsync one"]), late);
  assertEquals(disorder(["write", "fsync", "pwritev", "rename", "fsync one"]), late);
  assertEquals(disorder(["rename", "fsync one"]), ['"one/n.dump" is not written', ...late]);
  const inPlace = ["write one/n.dump", "fsync one/n.dump"];
  assertEquals(disorder(inPlace), []);
  assertEquals(disorder(inPlace.toReversed()), ['"one/n.dump" is not synced behind its last write']);
});
