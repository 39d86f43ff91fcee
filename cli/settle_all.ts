/** Work under way on memory that is to be used again. */

/**
 * Waits for all of `work`, even if one fails: until then what it works on is in use.
 *
 * @throws the failure of the first of them in their order, whichever came first
 */
export async function settleAll(work: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}
