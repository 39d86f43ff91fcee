/**
 * The conveyor: batches go round in a ring, through one stage after the other, and all stages work at the same time.
 *
 *                 ┌──────────────────────────── free again ───────────────────────────┐
 *                 ▼                                                                   │
 *     batch 3  [ fill ] ──► batch 2  [ hash ] ──► batch 1  [ write ] ──► batch 0  [ progress ]
 *                             ▲
 *                             └ together: as many batches at a time as there are, in any order; still handed on in order
 *
 * Only so many batches exist, so whoever is fast waits for a free one: that is all the back-pressure there is. A stage
 * sees the batches in their order, each after all earlier stages; what comes out is the same as if one batch after the
 * other had gone the whole way, errors included: that of the earliest batch counts.
 */

import { settleAll } from "../settle_all.ts";

/** What is done to each batch. */
export interface Stage<Item> {
  /** Called for one item after the other, in order. */
  each(item: Item): unknown;
  /** The stage keeps no state from one item to the next and may be at several of them at a time. */
  together?: boolean;
}

/**
 * Sends items round until `fill` gives no more.
 *
 * @param ring the items, each of them used again and again; one alone makes a plain loop
 * @param fill makes the next item ready; false ends it. It is not called again before it has come back.
 * @param stages in the order in which an item passes them
 */
export async function convey<Item>(
  ring: readonly Item[],
  fill: (item: Item) => boolean | Promise<boolean>,
  stages: readonly Stage<Item>[],
): Promise<void> {
  const underWay: Promise<void>[] = [];
  /** For each stage, its work on the item before. */
  const previous: Promise<unknown>[] = stages.map(() => Promise.resolve());

  const send = async (item: Item): Promise<void> => {
    // No await before the loop has named its place in every stage: the order of the calls is the order of the items.
    let ready: Promise<unknown> = Promise.resolve();
    const begun: Promise<unknown>[] = [];
    for (const [at, stage] of stages.entries()) {
      const before = stage.together ? ready : Promise.all([ready, previous[at]]);
      ready = before.then(() => stage.each(item));
      previous[at] = ready;
      begun.push(ready);
    }
    // A stage that an earlier item has stopped gives up this one while the stages before may still be at it.
    await Promise.allSettled(begun);
    await ready;
  };

  try {
    for (let count = 0;; count++) {
      const item = ring[count % ring.length];
      if (count >= ring.length) {
        await underWay[0];
        underWay.shift();
      }
      if (!await fill(item)) break;
      const done = send(item);
      // Met in its turn, below; until then it must not count as unhandled.
      done.catch(() => {});
      underWay.push(done);
    }
  } catch (error) {
    // The failure of the earliest item counts.
    await settleAll(underWay);
    throw error;
  }
  await settleAll(underWay);
}
