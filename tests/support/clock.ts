/** The clock of this process, for what is run inside it. */

/** Runs `work` with a clock that stands still at `date`. */
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
