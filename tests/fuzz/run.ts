/**
 * Damaged and almost right files of every kind, by number: the same number makes the same files. The program reads what a
 * second reader of the test reads too, or refuses clearly; it never fails, and it ends.
 *
 *     deno task fuzz                          # a minute, from a number of chance on
 *     deno task fuzz 600 1000000              # ten minutes, from case 1000000 on
 *     deno task fuzz 0 1234 gzip              # case 1234 of gzip files alone
 *     deno task fuzz 600 1000000 gzip zstd    # these kinds alone
 *     deno task fuzz --cases 1000000          # a million of each kind
 */

import { ArchiveSubject } from "./archives.ts";
import { BitmapSubject } from "./bitmaps.ts";
import { DiskSubject } from "./disks.ts";
import { GzipSubject } from "./gzip.ts";
import { SealSubject } from "./seals.ts";
import type { Subject } from "./subject.ts";
import { AllocationLimit, Watchdog } from "./watch.ts";
import { ZstdSubject } from "./zstd.ts";

/** All kinds, by their names. */
export const SUBJECTS: Record<string, () => Subject | Promise<Subject>> = {
  dump: () => ArchiveSubject.create("dump"),
  rdiff: () => ArchiveSubject.create("rdiff"),
  digest: () => ArchiveSubject.create("digest"),
  bitmap: () => new BitmapSubject(),
  seal: () => new SealSubject(),
  gzip: () => GzipSubject.create(),
  zstd: () => ZstdSubject.create(),
  disk: () => new DiskSubject(),
};

/** What became of the cases of one kind. */
export interface Counts {
  accepted: number;
  refused: number;
}

/** Cases that are run before the next kind has its turn. */
const TURN = 100;

/** Which cases are run. */
export interface Plan {
  names: readonly string[];
  /** Number of the first case. */
  first: number;
  /** Cases of each kind in all. */
  cases?: number;
  /** Whether there is time for another turn. */
  hasTime?: () => boolean;
}

/** Runs cases of several kinds in turn. @throws {Error} for the first that is not as it should be, with how to repeat it */
export async function fuzz(
  { names, first, cases = Infinity, hasTime = () => true }: Plan,
): Promise<Record<string, Counts>> {
  using scope = new DisposableStack();
  const watchdog = scope.use(new Watchdog(names));
  const limit = scope.use(new AllocationLimit());
  const subjects: Subject[] = [];
  for (const name of names) subjects.push(scope.use(await SUBJECTS[name]()));
  const counts = subjects.map((): Counts => ({ accepted: 0, refused: 0 }));
  let done = 0;
  do {
    const end = Math.min(cases, done + TURN);
    for (const [i, subject] of subjects.entries()) {
      for (let number = first + done; number < first + end; number++) {
        watchdog.begin(i, number);
        try {
          counts[i][await subject.run(number)]++;
          limit.assertKept();
        } catch (cause) {
          const { message } = cause as Error;
          throw new Error(
            `Case ${number} of ${subject.name} (deno task fuzz 0 ${number} ${subject.name}): ${message}`,
            { cause },
          );
        }
      }
    }
    done = end;
  } while (done < cases && hasTime());
  return Object.fromEntries(subjects.map(({ name }, i) => [name, counts[i]]));
}

/** The counts for people, a line for each kind. */
export function countsText(counts: Record<string, Counts>): string {
  return Object.entries(counts).map(([name, { accepted, refused }]) =>
    `${name.padEnd(7)} ${accepted + refused} cases: ${accepted} accepted, ${refused} refused`
  ).join("\n");
}

if (import.meta.main) {
  const args = Deno.args[0] === "--cases" ? ["Infinity", "0", ...Deno.args.slice(2)] : Deno.args;
  const [seconds, first] = [Number(args[0] ?? 60), Number(args[1] ?? Math.floor(Math.random() * 1e9))];
  const names = args.length > 2 ? args.slice(2) : Object.keys(SUBJECTS);
  const unknown = names.find((name) => !Object.hasOwn(SUBJECTS, name));
  if (unknown !== undefined) throw new Error(`"${unknown}" is none of ${Object.keys(SUBJECTS).join(", ")}`);
  const cases = seconds === 0 ? 1 : seconds === Infinity ? Number(Deno.args[1]) : Infinity;
  const end = performance.now() + seconds * 1000;
  console.log(`From case ${first} on`);
  console.log(countsText(await fuzz({ names, first, cases, hasTime: () => performance.now() < end })));
  Deno.exit();
}
