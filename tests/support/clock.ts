/** Setting the clock of the test's own process. */

/**
 * Runs `work` with a clock that stands still at `date`: `Date.now()` and `new Date()` give this time. Returns
 * the result of `work`.
 */
export async function atTime<T>(date: Date, work: () => Promise<T>): Promise<T> {
  const RealDate = globalThis.Date;
  const now = date.getTime();
  globalThis.Date = class extends RealDate {
    constructor(...args: unknown[]) {
      super(...(args.length === 0 ? [now] : args) as [number]);
    }

    static override now(): number {
      return now;
    }
  } as DateConstructor;
  try {
    return await work();
  } finally {
    globalThis.Date = RealDate;
  }
}
