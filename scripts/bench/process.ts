/** Runs one command and says what it took. */

/** What one run of one command took. */
export interface Sample {
  /** From before the start to after the exit. */
  seconds: number;
  /** User and system time of the command and of the processes that it waited for, in steps of 10 ms. */
  cpuSeconds?: number;
  /** Largest resident set of the command itself, its threads included, as last seen a few ms before its end. */
  peakMib?: number;
}

/** Linux counts in hundredths of a second towards programs, whatever the kernel does (times(2), USER_HZ). */
const TICKS_PER_SECOND = 100;

/** Reading the peak takes about 30 us: at this pace less than 1 % of one processor. */
const POLL_MS = 5;

const running = new Set<Deno.ChildProcess>();

/**
 * Runs a command to its end, its standard output thrown away.
 *
 * @throws {Error} with what it wrote to standard error, if it fails
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
  // The kernel keeps the peak itself (VmHWM never falls), but only until the process has ended.
  const timer = setInterval(() => peakMib = peakMibOf(child.pid) ?? peakMib, POLL_MS);
  const { success, stderr } = await child.output();
  const seconds = (performance.now() - start) / 1000;
  clearInterval(timer);
  running.delete(child);
  if (!success) {
    const said = new TextDecoder().decode(stderr).trim();
    throw new Error(`Cannot measure "${[program, ...args].join(" ")}": it failed: ${said}`);
  }
  const ticksAfter = childTicks();
  const cpuSeconds = ticks === undefined || ticksAfter === undefined
    ? undefined
    : (ticksAfter - ticks) / TICKS_PER_SECOND;
  return { seconds, cpuSeconds, peakMib };
}

/** Ends the commands that run; resolves when they are gone. */
export async function killRunning(): Promise<void> {
  const children = [...running];
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.map((child) => child.status));
}

/** True if the program can be started. */
export function isInstalled(program: string): boolean {
  try {
    new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync();
    return true;
  } catch {
    return false;
  }
}

/** Processor time of all children that have ended and were waited for, and of theirs; exact, unlike polling. */
function childTicks(): number | undefined {
  const stat = read("/proc/self/stat");
  // proc(5): the second field is a name in brackets and may hold anything; cutime and cstime are fields 16 and 17.
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
