/** The calls that the fault layer counts, and the rules by which it disturbs them; `preload/plan.h` has their grammar. */

/** A counted call, as the layer writes it to its log. */
export interface CountedCall {
  /** Among all counted calls of the process, from 1. */
  number: number;
  /** Such as `fsync`; `create` is an open that may make the file. */
  kind: string;
  /** Among those of its kind, from 1. */
  ordinal: number;
  /** Bytes that a transfer was asked for. */
  countBytes: number;
  /** The fault that it had; undefined if it had none. */
  fault?: string;
  /** Path of its file below the watched folder, `.` for the folder itself. */
  path: string;
  /** The old path of a file that gets a new one. */
  from?: string;
}

/** What the system may do to a kind of calls; `preload/kinds.c` has the same table. */
interface Traits {
  transfers?: true;
  grows?: true;
  interruptible?: true;
}

const READS: Traits = { transfers: true, interruptible: true };
const WRITES: Traits = { transfers: true, grows: true, interruptible: true };
const CHANGES: Traits = { grows: true, interruptible: true };

const KINDS: Record<string, Traits> = {
  open: { interruptible: true },
  create: CHANGES,
  read: READS,
  readv: READS,
  pread: READS,
  preadv: READS,
  write: WRITES,
  writev: WRITES,
  pwrite: WRITES,
  pwritev: WRITES,
  copy_file_range: WRITES,
  fsync: CHANGES,
  fdatasync: CHANGES,
  ftruncate: CHANGES,
  fallocate: CHANGES,
  flock: { interruptible: true },
  chmod: {},
  chown: {},
  close: {},
  rename: { grows: true },
  link: { grows: true },
  symlink: { grows: true },
  unlink: {},
  mkdir: { grows: true },
  stat: {},
  opendir: {},
};

/** What can happen at a call. A file system that is full, or a medium that fails, may stay so (`+`). */
export const FAULTS = [
  "kill",
  "kill-after",
  "kill-torn",
  "EIO",
  "EIO+",
  "ENOSPC",
  "ENOSPC+",
  "EDQUOT",
  "EDQUOT+",
  "EINTR",
  "short",
  "single",
] as const;

/** One of {@linkcode FAULTS}. */
export type Fault = typeof FAULTS[number];

/** Faults that no command may fail by: the call is to be made again, or the rest of it. */
export const HARMLESS: readonly Fault[] = ["EINTR", "short", "single"];

/** Whether the system could give the fault to such a call. */
export function canHave({ kind, countBytes }: CountedCall, fault: Fault): boolean {
  const { transfers, grows, interruptible } = KINDS[kind];
  switch (fault) {
    case "kill":
    case "kill-after":
    case "EIO":
    case "EIO+":
      return true;
    case "EINTR":
      return interruptible === true;
    case "kill-torn":
    case "short":
    case "single":
      return transfers === true && countBytes > 1;
    default:
      return grows === true;
  }
}

/** The rule that lets `call`, as it was counted in another run of the same command, have the fault. */
export function ruleFor(fault: Fault, { kind, ordinal }: Pick<CountedCall, "kind" | "ordinal">): string {
  return fault.endsWith("+") ? `${fault.slice(0, -1)}@${kind}:${ordinal}+` : `${fault}@${kind}:${ordinal}`;
}

/** Reads the log of the layer. */
export function parseLog(text: string): CountedCall[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [number, kind, ordinal, countBytes, fault, path, from] = line.split("\t");
    return {
      number: Number(number),
      kind,
      ordinal: Number(ordinal),
      countBytes: Number(countBytes),
      ...fault === "-" ? {} : { fault },
      path: path.replace(/\/\.$/, ""),
      ...from === "" ? {} : { from },
    };
  });
}
