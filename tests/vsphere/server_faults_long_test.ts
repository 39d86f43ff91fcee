/**
 * The clients against each fault of the strict test server, once and lasting: the right disk or a clear
 * error, and nothing of the client's is left.
 */

import { assert } from "@std/assert";
import { ServerError } from "../../cli/errors.ts";
import { FAULTS } from "./fault_list.ts";
import { MIB, ServerWorld, testWithServer } from "./server_world.ts";

for (const [at, faults] of Object.entries(FAULTS)) {
  for (const isLasting of [false, true]) {
    testWithServer(
      `a fault of ${at} that ${isLasting ? "lasts" : "happens once"} ends in the right disk or a clear error`,
      async () => {
        await using world = await ServerWorld.create({}, 3 * MIB);
        const { control } = world.server;
        let good = 0;
        for (const fault of faults) {
          const name = `${at} ${JSON.stringify(fault)}`;
          const compression = String(fault.kind).startsWith("zlib") ? "zlib" : "skipz";
          const { mark } = await world.backUp();
          const number = await control.fault({
            at,
            ...fault,
            ...(isLasting ? {} : { count: 1, skip: at === "fragment" ? 3 : 0 }),
          });
          const failure = await world.backUp({ compression, patienceMs: 300, retries: isLasting ? 1 : 3 }, {
            since: mark,
          })
            .then(() => undefined, (error) => error);
          await control.clear(number);
          if (failure === undefined) good++;
          else if (!(failure instanceof ServerError)) {
            throw new Error(`${name}: another kind of error`, { cause: failure });
          }
          const secrets = await control.secrets();
          const said = [failure?.message ?? "", ...world.events.splice(0)].join("\n");
          for (const secret of secrets) assert(!said.includes(secret), `${name}: ${said}`);
          await assertNothingLeft(world, name);
        }
        console.log(`${at}: ${good} of ${faults.length} read`);
      },
    );
  }
}

/** How long the server may take to see that a connection has ended. */
const PATIENCE_MS = 20_000;

/** Whether nothing of the client's is left, however the fault went. */
async function assertNothingLeft(world: ServerWorld, name: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await world.server.assertClean();
    } catch (cause) {
      if (performance.now() > deadline) throw new Error(`${name}: ${(cause as Error).message}`, { cause });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
