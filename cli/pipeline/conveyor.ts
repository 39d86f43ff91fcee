/**
 * A pipeline with a fixed set of batches. The batches circulate: they pass one stage after the other and are
 * filled again. All stages work at the same time, on different batches.
 *
 *                 ┌──────────────────────────── free again ───────────────────────────┐
 *                 ▼                                                                   │
 *     batch 3  [ fill ] ──► batch 2  [ hash ] ──► batch 1  [ write ] ──► batch 0  [ progress ]
 *                             ▲
 *                             └ together: several batches at a time, finished in any order, passed on in order
 *
 * The number of batches bounds the memory and makes a fast stage wait for a free batch. A stage sees the
 * batches in their order, each after all earlier stages. The result is the same as if each batch had passed
 * all stages before the next one began. This includes errors: if several batches fail, the error of the
 * earliest one is thrown.
 */

import { settleAll } from "../settle_all.ts";

/** A step that is applied to each batch. */
export interface Stage<Item> {
  /**
   * Processes an item. The calls come in the order of the items, and the next one comes after the promise has
   * resolved, unless `together` is set.
   */
  each(item: Item): unknown;
  /** True if the stage keeps no state between items, so that several items may be in it at the same time. */
  together?: boolean;
}

/**
 * Passes items through the stages until `fill` returns false.
 *
 * @param ring the items, which are used again and again. With a single item, the stages run one after the
 *   other.
 * @param fill makes the next item ready, or returns false at the end. It is not called again before it has
 *   returned.
 * @param stages in the order in which an item passes them
 */
export async function convey<Item>(
  ring: readonly Item[],
  fill: (item: Item) => boolean | Promise<boolean>,
  stages: readonly Stage<Item>[],
): Promise<void> {
  const underWay: Promise<void>[] = [];
  /** For each stage the promise of its work on the previous item. */
  const previous: Promise<unknown>[] = stages.map(() => Promise.resolve());

  const send = async (item: Item): Promise<void> => {
    // There is no await before the item has entered its promise in every stage, so the order of the calls is
    // the order of the items.
    let ready: Promise<unknown> = Promise.resolve();
    const begun: Promise<unknown>[] = [];
    for (const [at, stage] of stages.entries()) {
      const before = stage.together ? ready : Promise.all([ready, previous[at]]);
      ready = before.then(() => stage.each(item));
      previous[at] = ready;
      begun.push(ready);
    }
    // If an earlier item has failed in a stage, this item is not processed there. Earlier stages may still be
    // working on it, and they must end before the error is thrown.
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
      // The promise is awaited below. Its rejection must not count as unhandled until then.
      done.catch(() => {});
      underWay.push(done);
    }
  } catch (error) {
    // Another item that is on its way may fail as well. The error of the earliest item is thrown.
    await settleAll(underWay);
    throw error;
  }
  await settleAll(underWay);
}
