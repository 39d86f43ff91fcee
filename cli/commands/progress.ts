/** One line on the terminal that is written over: share, rate, time left. */

import { note } from "../files/standard_streams.ts";
import type { WorkDone } from "../jobs/work.ts";

const SHOW_INTERVAL_MS = 200;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** What a {@linkcode ProgressLine} works with. */
export interface ProgressOptions {
  /** False makes every method do nothing. */
  shown: boolean;
  /** Writes to the terminal. The default is standard error, whose errors are ignored. */
  write?: (text: string) => void;
  /** Milliseconds; by default `performance.now()`. */
  now?: () => number;
}

/**
 * Shows progress on standard error. The line is erased with blanks, since escape codes would stand as they are on
 * a terminal that has none, such as `TERM=dumb`.
 */
export class ProgressLine {
  readonly #shown: boolean;
  readonly #write: (text: string) => void;
  readonly #now: () => number;
  /** When what is done now began, and what was done by then. */
  #begin: { ms: number; bytes: number };
  #last = { ms: -Infinity, bytes: 0 };
  #visibleLen = 0;

  constructor({ shown, write = note, now = () => performance.now() }: ProgressOptions) {
    this.#shown = shown;
    this.#write = write;
    this.#now = now;
    this.#begin = { ms: now(), bytes: 0 };
  }

  /** Whether anybody sees it. */
  get isShown(): boolean {
    return this.#shown;
  }

  show({ doneBytes, totalBytes }: WorkDone): void {
    const ms = this.#now();
    if (!this.#shown || ms - this.#last.ms < SHOW_INTERVAL_MS) return;
    // A command that reads its files twice begins anew.
    if (doneBytes < this.#last.bytes) this.#begin = { ms: this.#last.ms, bytes: 0 };
    this.#last = { ms, bytes: doneBytes };
    const seconds = Math.max(ms - this.#begin.ms, 1) / 1000;
    const text = progressText({ doneBytes, totalBytes }, (doneBytes - this.#begin.bytes) / seconds);
    this.#write(`\r${text.padEnd(this.#visibleLen)}`);
    this.#visibleLen = text.length;
  }

  clear(): void {
    if (this.#visibleLen === 0) return;
    this.#write(`\r${" ".repeat(this.#visibleLen)}\r`);
    this.#visibleLen = 0;
  }
}

/** `  42 %  1.2 GiB/s  0:07 left`. */
function progressText({ doneBytes, totalBytes }: WorkDone, bytesPerSecond: number): string {
  const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const percent = `${Math.floor(share * 100)}`.padStart(4);
  const leftBytes = Math.max(0, totalBytes - doneBytes);
  const left = bytesPerSecond > 0 ? `  ${formatSeconds(leftBytes / bytesPerSecond)} left` : "";
  return `${percent} %  ${formatSize(bytesPerSecond)}/s${left}`;
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
