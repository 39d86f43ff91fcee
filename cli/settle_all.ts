/** Waiting for all of several operations before their memory is used again. */

/**
 * Waits until all promises have settled, even if one of them rejects: the operations use their memory until
 * then.
 *
 * @throws the reason of the first promise of the list that rejected, even if others rejected earlier
 */
export async function settleAll(work: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}
