/** The last lines of the library's log, of which an error shows those that explain it. */

/** The number of lines that are kept. After a failure the library closes things, and logs that as well. */
const KEPT_LINES = 20;

/** The number of lines that an error shows. They contain what the code does not tell, such as both thumbprints. */
const SHOWN_LINES = 3;

/**
 * Lines of the library's telemetry, which it writes whatever the job does, and of which most tell of its own
 * failures: the customer experience programme is not set up, nothing can be sent.
 */
const TELEMETRY = /\bCEIP\b|phone[-_ ]?home|telemetry|customer experience|analytics/i;

/** Lines that tell of a failure. */
const FAILURE =
  /fail|error|cannot|can't|could not|unable|refus|den(?:y|ied)|mismatch|differ|expected|invalid|not (?:valid|found|supported|allowed)|no such|time(?:d )?-?out|lost|abort|panic|violat|missing|exceed|out of|thumbprint/i;

/** The end of a log. */
export class LogTail {
  readonly #lines: string[] = [];

  /** Adds a line. */
  add(line: string): void {
    if (TELEMETRY.test(line)) return;
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
  }

  /** Forgets all lines. */
  clear(): void {
    this.#lines.length = 0;
  }

  /** Returns the last lines that tell of a failure, or if there are none, the last lines. */
  get shown(): readonly string[] {
    const telling = this.#lines.filter((line) => FAILURE.test(line));
    return (telling.length > 0 ? telling : this.#lines).slice(-SHOWN_LINES);
  }
}
