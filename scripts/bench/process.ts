/** Running a command and measuring its time and memory. */

/** The time and memory of one run of a command. */
export interface Sample {
  /** Time from before the start to after the exit. */
  seconds: number;
  /**
   * User and system time of the command and of the processes that it waited for, in steps of 10 ms. Undefined
   * if there is no /proc.
   */
  cpuSeconds?: number;
  /**
   * Largest resident set of the command's own process in MiB, as it was a few milliseconds before its end.
   * Undefined if there is no /proc, or the command ended before it was asked for the first time.
   */
  peakMib?: number;
}

/** Linux shows times in hundredths of a second, whatever the kernel uses itself (times(2), USER_HZ). */
const TICKS_PER_SECOND = 100;

/** Milliseconds between readings of the peak. One takes about 30 µs: less than 1 % of a processor. */
const POLL_MS = 5;

const running = new Set<Deno.ChildProcess>();

/**
 * Runs a command in the folder `cwd` until it exits, and returns its time and memory. The command's standard
 * output is discarded.
 *
 * @throws {Error} with the command's standard error, if the command fails
 */
export async function run(
  [program, ...args]: string[],
  { cwd, env }: { cwd: string; env?: Record<string, string> },
): Promise<Sample> {
  const ticks = childTicks();
  const start = performance.now();
  const child = new Deno.Command(program, { args, cwd, env, stdout: "null", stderr: "piped" }).spawn();
  running.add(child);
  let peakMib: number | undefined;
  // The kernel records the peak (VmHWM never decreases), which can be read only until the process ends.
  const timer = setInterval(() => peakMib = peakMibOf(child.pid) ?? peakMib, POLL_MS);
  const { success, stderr } = await child.output();
  const seconds = (performance.now() - start) / 1000;
  clearInterval(timer);
  running.delete(child);
  if (!success) {
    const message = new TextDecoder().decode(stderr).trim();
    throw new Error(`Cannot measure "${[program, ...args].join(" ")}": the command failed: ${message}`);
  }
  const ticksAfter = childTicks();
  const cpuSeconds = ticks === undefined || ticksAfter === undefined
    ? undefined
    : (ticksAfter - ticks) / TICKS_PER_SECOND;
  return { seconds, cpuSeconds, peakMib };
}

/** Kills the commands that are running, and waits until they have ended. */
export async function killRunning(): Promise<void> {
  const children = [...running];
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.map((child) => child.status));
}

/** Returns whether a program can be started. */
export function isInstalled(program: string): boolean {
  try {
    new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync();
    return true;
  } catch {
    return false;
  }
}

/**
 * Returns the processor time of all child processes that have ended and were waited for, and of their
 * children, in ticks. The kernel adds it up, so that it is exact, unlike a value that is polled.
 */
function childTicks(): number | undefined {
  const stat = read("/proc/self/stat");
  // proc(5): cutime and cstime are fields 16 and 17. The second field is the program's name in brackets,
  // which can contain blanks and brackets.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields && Number(fields[13]) + Number(fields[14]);
}

function peakMibOf(pid: number): number | undefined {
  const kib = read(`/proc/${pid}/status`)?.match(/^VmHWM:\s+([0-9]+) kB/m);
  return kib ? Number(kib[1]) / 1024 : undefined;
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
