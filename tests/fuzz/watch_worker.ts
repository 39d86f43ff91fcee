/** The thread of `Watchdog`: ends the process, with a word, when a case does not end. */

/** Time without a new case after which the run is hopeless, on a machine that is busy with other things too. */
const PATIENCE_MS = 60_000;

/** `cases`: index of the subject, number of the case. */
interface Task {
  cases: Int32Array;
  names: string[];
}

self.addEventListener("message", (event) => {
  const { cases, names } = (event as MessageEvent<Task>).data;
  let last = "";
  setInterval(() => {
    const [subject, number] = cases;
    const now = `${names[subject]} ${number}`;
    if (now === last) {
      console.error(
        `Case ${number} of ${names[subject]} does not end: deno task fuzz 0 ${number} ${names[subject]}`,
      );
      Deno.kill(Deno.pid, "SIGKILL");
    }
    last = now;
  }, PATIENCE_MS);
});
