/** One line on the terminal that is written over: share, rate, time left. */

import type { Progress } from "../pipeline/run.ts";

const ENCODER = new TextEncoder();
const SHOW_INTERVAL_MS = 200;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Shows progress on standard error. */
export class ProgressLine {
  readonly #shown: boolean;
  readonly #start = performance.now();
  #last = 0;
  #visible = false;

  /** @param options `shown: false` makes every method do nothing */
  constructor(options: { shown: boolean }) {
    this.#shown = options.shown;
  }

  show(progress: Progress): void {
    const now = performance.now();
    if (!this.#shown || now - this.#last < SHOW_INTERVAL_MS) return;
    this.#last = now;
    this.#write(`\r\x1b[K${progressText(progress, (now - this.#start) / 1000)}`);
    this.#visible = true;
  }

  clear(): void {
    if (!this.#visible) return;
    this.#write("\r\x1b[K");
    this.#visible = false;
  }

  #write(text: string): void {
    Deno.stderr.writeSync(ENCODER.encode(text));
  }
}

/** `  42 %  1.2 GiB/s  0:07 left`. */
function progressText(progress: Progress, seconds: number): string {
  const { doneBlocks, totalBlocks, blockBytes } = progress;
  const share = totalBlocks === 0 ? 1 : doneBlocks / totalBlocks;
  const rate = doneBlocks * blockBytes / Math.max(seconds, 0.001);
  const percent = `${Math.floor(share * 100)}`.padStart(4);
  const left = share > 0 ? `  ${formatSeconds(seconds / share - seconds)} left` : "";
  return `${percent} %  ${formatSize(rate)}/s${left}`;
}

/** `1.5 GiB`. Not by a locale's rules: to load them takes 19 ms. */
export function formatSize(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1);
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${UNITS[power]}`;
}

function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}
