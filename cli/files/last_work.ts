/** Work that has to be done before the process ends, even if a signal stops the command that began it. */

/** The longest time that the end of the process waits for it. */
const PATIENCE_MS = 10_000;

const underWay = new Set<Promise<unknown>>();

/** Has the end of the process wait for `work`, whose failure is not of interest any more. */
export function finishBeforeExit(work: Promise<unknown>): void {
  const settled = work.then(() => {}, () => {});
  underWay.add(settled);
  settled.then(() => underWay.delete(settled));
}

/** Waits until the work that has to be done is done, but not for ever. */
export async function lastWorkEnds(
  { patienceMs = PATIENCE_MS }: { patienceMs?: number } = {},
): Promise<void> {
  if (underWay.size === 0) return;
  const { promise: tooLong, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, patienceMs);
  await Promise.race([Promise.all(underWay), tooLong]);
  clearTimeout(timer);
}
