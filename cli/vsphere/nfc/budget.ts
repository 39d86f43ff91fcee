/** The limit of reads under way on a host, for all disks of this program together. */

/** A host has memory for some 48 streams, of all its readers. */
const HOST_READS = 32;

/** Permits that are waited for in order. */
export class Budget {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Does `work` with a permit. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

const hosts = new Map<string, Budget>();

/** The permits of a host, which all connections to it share. */
export function budgetOf(host: string): Budget {
  let budget = hosts.get(host);
  if (budget === undefined) hosts.set(host, budget = new Budget(HOST_READS));
  return budget;
}
