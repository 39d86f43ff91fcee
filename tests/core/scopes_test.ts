/** Memory of the core has owners: it is given back when its scope has ended and nothing uses it any more. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Core } from "../../cli/core.ts";
import { Random } from "../../scripts/disk_image.ts";

const core = await Core.load({ memoryBytes: 1 << 20 });

/** Runs all that waits for promises that have settled. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

Deno.test("a scope gives its memory back when it is disposed", () => {
  const { usedBytes } = core;
  let ptr;
  {
    using scope = core.scope();
    ptr = scope.alloc(1000);
    scope.alloc(10);
    assertEquals(core.usedBytes, usedBytes + 1010);
    assertEquals(scope.usedBytes, core.usedBytes);
  }
  assertEquals(core.usedBytes, usedBytes);
  using scope = core.scope();
  assertEquals(scope.alloc(10), ptr);
});

Deno.test("a scope gives nothing back that others allocated", () => {
  using outer = core.scope();
  const scope = outer.scope();
  const before = outer.alloc(100);
  const inside = scope.alloc(100);
  const after = outer.alloc(100);
  const { usedBytes } = core;
  scope[Symbol.dispose]();
  assertEquals(core.usedBytes, usedBytes - 100);
  assertEquals(outer.alloc(100), inside);
  assertEquals(new Set([before, inside, after, outer.alloc(100)]).size, 4);
});

Deno.test("scopes end with the scope that they are of", () => {
  const { usedBytes } = core;
  const outer = core.scope();
  const inner = outer.scope();
  const innermost = inner.scope();
  for (const scope of [innermost, outer, inner]) scope.alloc(100);
  outer[Symbol.dispose]();
  assertEquals(core.usedBytes, usedBytes);
  for (const scope of [outer, inner, innermost]) {
    assertThrows(() => scope.alloc(1), Error, "its scope has ended");
    assertThrows(() => scope.scope(), Error, "its scope has ended");
  }
});

Deno.test("a core that is disposed ends its scopes", async () => {
  const core = await Core.load({ memoryBytes: 1 << 20 });
  const { usedBytes } = core;
  const scope = core.scope();
  scope.alloc(100);
  core.alloc(100);
  core[Symbol.dispose]();
  assertEquals(core.usedBytes, usedBytes);
  assertThrows(() => scope.alloc(1), Error, "its scope has ended");
});

Deno.test("a scope can be disposed twice", async () => {
  const { usedBytes } = core;
  const scope = core.scope();
  scope.alloc(100);
  scope[Symbol.dispose]();
  using other = core.scope();
  other.alloc(100);
  scope[Symbol.dispose]();
  await scope[Symbol.asyncDispose]();
  assertEquals(core.usedBytes, usedBytes + 100);
});

Deno.test("a scope that is disposed twice under a hold gives its memory back once", async () => {
  const { usedBytes } = core;
  const scope = core.scope();
  scope.alloc(100);
  const operation = Promise.withResolvers<void>();
  scope.hold(operation.promise);
  scope[Symbol.dispose]();
  const ended = scope[Symbol.asyncDispose]();
  scope[Symbol.dispose]();
  assertEquals(core.usedBytes, usedBytes + 100);
  operation.resolve();
  await ended;
  assertEquals(core.usedBytes, usedBytes);
});

for (const outcome of ["resolves", "rejects"] as const) {
  Deno.test(`a scope keeps its memory until an operation that it is held for ${outcome}`, async () => {
    const { usedBytes } = core;
    const operation = Promise.withResolvers<number>();
    const scope = core.scope();
    scope.alloc(100);
    const held = scope.hold(operation.promise);
    scope[Symbol.dispose]();
    await settle();
    assertEquals(core.usedBytes, usedBytes + 100);
    assertThrows(() => scope.alloc(1), Error, "its scope has ended");
    if (outcome === "resolves") {
      operation.resolve(7);
      assertEquals(await held, 7);
    } else {
      operation.reject(new Error("lost"));
      await assertRejects(() => held, Error, "lost");
    }
    await settle();
    assertEquals(core.usedBytes, usedBytes);
  });

  Deno.test(`await using of a scope waits until an operation that it is held for ${outcome}`, async () => {
    const { usedBytes } = core;
    const operation = Promise.withResolvers<void>();
    let isOver = false;
    const run = (async () => {
      await using scope = core.scope();
      scope.alloc(100);
      scope.hold(operation.promise).catch(() => {});
    })().finally(() => isOver = true);
    await settle();
    assertEquals([isOver, core.usedBytes], [false, usedBytes + 100]);
    if (outcome === "resolves") operation.resolve();
    else operation.reject(new Error("lost"));
    await run;
    assertEquals(core.usedBytes, usedBytes);
  });
}

Deno.test("a scope waits for the holds of its own scopes", async () => {
  const { usedBytes } = core;
  const operation = Promise.withResolvers<void>();
  const outer = core.scope();
  const inner = outer.scope();
  const early = outer.scope();
  for (const scope of [outer, inner, early]) scope.alloc(100);
  inner.hold(operation.promise);
  early.hold(operation.promise);
  // One of them has ended already, and still has its memory.
  early[Symbol.dispose]();
  let isOver = false;
  const ended = outer[Symbol.asyncDispose]().then(() => isOver = true);
  await settle();
  assertEquals(isOver, false);
  assert(core.usedBytes >= usedBytes + 200);
  operation.resolve();
  await ended;
  assertEquals(core.usedBytes, usedBytes);
});

Deno.test("an operation that begins while its scope waits for another one is waited for, too", async () => {
  const { usedBytes } = core;
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const scope = core.scope();
  scope.alloc(100);
  // As a reader that reads on: the next part is ordered as soon as this one is there.
  scope.hold(first.promise.then(() => void scope.hold(second.promise)));
  scope[Symbol.dispose]();
  first.resolve();
  await settle();
  assertEquals(core.usedBytes, usedBytes + 100);
  second.resolve();
  await scope[Symbol.asyncDispose]();
  assertEquals(core.usedBytes, usedBytes);
});

/** A scope, and what the test knows of it. */
interface KnownScope {
  scope: Core;
  parent?: KnownScope;
  isDisposed: boolean;
  /** Operations that have not settled. */
  holds: PromiseWithResolvers<void>[];
  /** First and last address of what was allocated. */
  regions: [number, number][];
}

function hasEnded(known: KnownScope): boolean {
  return known.isDisposed || known.parent !== undefined && hasEnded(known.parent);
}

Deno.test("no address is handed out twice at a time, whatever scopes and operations end", async () => {
  for (let seed = 0; seed < 30; seed++) {
    const random = new Random(seed);
    const core = await Core.load({ memoryBytes: 1 << 20 });
    const { usedBytes } = core;
    const all: KnownScope[] = [];
    const oneOf = <Item>(items: Item[]): Item | undefined => items[random.below(items.length)];
    for (let step = 0; step < 400; step++) {
      const alive = all.filter((known) => !hasEnded(known));
      const known = oneOf(alive);
      const kind = random.below(10);
      if (known === undefined || kind === 0) {
        const parent = random.below(2) === 0 ? known : undefined;
        const scope = (parent?.scope ?? core).scope();
        all.push({ scope, parent, isDisposed: false, holds: [], regions: [] });
      } else if (kind === 1) {
        known.isDisposed = true;
        known.scope[Symbol.dispose]();
      } else if (kind === 2) {
        const operation = Promise.withResolvers<void>();
        known.scope.hold(operation.promise).catch(() => {});
        known.holds.push(operation);
      } else if (kind <= 4) {
        const operation = oneOf(all.filter(({ holds }) => holds.length > 0))?.holds.pop();
        if (random.below(2) === 0) operation?.resolve();
        else operation?.reject(new Error("lost"));
        if (random.below(2) === 0) await settle();
      } else {
        const lenBytes = 1 + random.below(5000);
        const ptr = known.scope.alloc(lenBytes);
        const used = all.filter((other) => !hasEnded(other) || other.holds.length > 0);
        for (const [first, last] of used.flatMap(({ regions }) => regions)) {
          assert(ptr + lenBytes <= first || last < ptr, `seed ${seed}, step ${step}: ${ptr} is in use`);
        }
        known.regions.push([ptr, ptr + lenBytes - 1]);
      }
    }
    for (const { holds } of all) holds.forEach(({ resolve }) => resolve());
    for (const { scope } of all) await scope[Symbol.asyncDispose]();
    assertEquals(core.usedBytes, usedBytes, `seed ${seed}`);
  }
});
