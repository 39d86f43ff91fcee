import { assert, assertEquals, assertRejects } from "@std/assert";
import { Pace } from "../cli/pace.ts";

Deno.test("Pace is due half a second after it began, and then every 50 milliseconds", async () => {
  let ms = 1000;
  const pace = new Pace({ now: () => ms });
  assert(!pace.isDueNow());
  ms = 1499;
  assert(!pace.isDueNow());
  ms = 1500;
  assert(pace.isDueNow());
  await pace.rest();
  assert(!pace.isDueNow());
  ms = 1550;
  assert(pace.isDueNow());
});

Deno.test("Pace.isDue() looks at the clock in some of its calls only, and always sooner or later", () => {
  let looks = 0;
  const pace = new Pace({ now: () => looks++ === 0 ? 0 : 1000 });
  const dues = Array.from({ length: 64 }, () => pace.isDue()).filter((isDue) => isDue).length;
  assert(dues > 0 && dues < 64);
  assertEquals(looks, dues + 1);
});

Deno.test("Pace.rest() lets timers run, and throws the reason of a signal that they abort", async () => {
  const controller = new AbortController();
  const pace = new Pace(controller);
  await pace.rest();
  setTimeout(() => controller.abort(new RangeError("enough")), 0);
  await assertRejects(() => pace.rest(), RangeError, "enough");
});
