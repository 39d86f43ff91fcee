/** What a command promises whatever happens to its calls. */

/** A promise. */
export type Pledge =
  /** It ends. */
  | "end"
  /** What it reads stays as it was. */
  | "inputs"
  /** Every file that was there is there, under its name or a hidden one, until others have replaced all of them. */
  | "nothing lost"
  /** An output has its name only if it is whole and belongs to the others. */
  | "nothing partial"
  /** With exit code 0 the result is right. */
  | "right result"
  /** With exit code 0 everything is on stable storage. */
  | "synced"
  /** With exit code 0 every seal that it looked at was read. */
  | "proved"
  /** With exit code 0 everything that it wrote was locked. */
  | "locked"
  /** It does not fail because a call is interrupted, or moves fewer bytes. */
  | "interruptions"
  /** A fault of the system has the exit code of one. */
  | "exit code"
  /** One line tells which file the fault is of. */
  | "message"
  /** What has its name behind a failure can be read back. */
  | "read back"
  /** The same command succeeds when it is not disturbed. */
  | "next run"
  /** Nothing hidden is left behind that. */
  | "no leftovers";

/** A pledge that was broken. */
export class BrokenPledge extends Error {
  override name = "BrokenPledge";
  readonly pledge: Pledge;

  /** `found`: what was seen instead. */
  constructor(pledge: Pledge, found: string) {
    super(`${pledge}: ${found}`);
    this.pledge = pledge;
  }
}

/** @throws {BrokenPledge} unless the condition holds */
export function hold(pledge: Pledge, condition: boolean, found: string): asserts condition {
  if (!condition) throw new BrokenPledge(pledge, found);
}

/** The pledges that some looks find broken; a look behind one that is broken is taken all the same. */
export async function brokenBy(looks: readonly (() => void | Promise<void>)[]): Promise<BrokenPledge[]> {
  const broken: BrokenPledge[] = [];
  for (const look of looks) {
    try {
      await look();
    } catch (error) {
      if (!(error instanceof BrokenPledge)) throw error;
      broken.push(error);
    }
  }
  return broken;
}
