/**
 * The bracket around the calls of libvixDiskLib: every call is counted and timed, and its code becomes a
 * {@linkcode VixError}.
 */

import { openLibrary } from "../open_library.ts";
import { textAt } from "./native_strings.ts";
import { missingFunctions, type OptionalSymbol, SYMBOLS, type VixSymbols } from "./symbols.ts";
import { codeOf, VIX, VixError } from "./vix_error.ts";

/** The calls of one function, for the summary. */
export interface CallStats {
  calls: number;
  bytes: number;
  milliseconds: number;
}

/** A loaded library. */
export class VixCalls {
  readonly symbols: VixSymbols;
  /** The calls of each function, whose name has no prefix. */
  readonly stats: Map<string, CallStats> = new Map();

  /**
   * Loads the library.
   * @throws {Error} if the system does not load it, or it lacks functions that are always needed; all of them are
   * named
   */
  constructor(path: string) {
    const bound = openLibrary(path, SYMBOLS).symbols;
    const missing = missingFunctions(bound);
    if (missing.length > 0) {
      throw new Error(
        `Cannot use the library "${path}": it lacks functions that are needed: ${missing.join(", ")}`,
      );
    }
    this.symbols = bound as VixSymbols;
  }

  /** Returns the functions that this library does not have. */
  missing(): string[] {
    return Object.keys(SYMBOLS).filter((name) => this.symbols[name as keyof VixSymbols] === null);
  }

  /** Returns a function that the library may lack, or null. */
  optional<Name extends OptionalSymbol>(name: Name): VixSymbols[Name] {
    return this.symbols[name];
  }

  /**
   * Returns a function that the library may lack.
   * @throws {VixError} with the code for "not supported", if the library lacks it
   */
  needed<Name extends OptionalSymbol>(name: Name): NonNullable<VixSymbols[Name]> {
    const found = this.symbols[name];
    if (found !== null) return found;
    const call = name.replace("VixDiskLib_", "");
    throw new VixError({ call, code: VIX.notSupported, text: "The library does not have this function" });
  }

  /**
   * Makes a call.
   * @throws {VixError} unless `run` returns 0
   */
  check(call: string, run: () => bigint, bytes = 0): void {
    const code = this.code(call, run, bytes);
    if (code !== VIX.ok) throw this.error(call, code);
  }

  /** Returns the error of a call that returned `code`. */
  error(call: string, code: number): VixError {
    return new VixError({ call, code, text: this.#text(BigInt(code)) });
  }

  /** The same as {@linkcode check}, but returns the code. */
  code(call: string, run: () => bigint, bytes = 0): number {
    return codeOf(this.time(call, run, bytes));
  }

  /** Counts and times a call; every call goes through it. */
  time<Result>(call: string, run: () => Result, bytes = 0): Result {
    let stats = this.stats.get(call);
    if (stats === undefined) this.stats.set(call, stats = { calls: 0, bytes: 0, milliseconds: 0 });
    const start = performance.now();
    try {
      return run();
    } finally {
      stats.calls++;
      stats.bytes += bytes;
      stats.milliseconds += performance.now() - start;
    }
  }

  #text(error: bigint): string {
    const pointer = this.optional("VixDiskLib_GetErrorText")?.(error, null) ?? null;
    if (pointer === null) return "no text";
    try {
      return textAt(pointer);
    } finally {
      this.optional("VixDiskLib_FreeErrorText")?.(pointer);
    }
  }
}
