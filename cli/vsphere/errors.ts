/**
 * The kinds of server errors that the program treats differently. All of them end a command with exit
 * code 4.
 */

import { ServerError } from "../errors.ts";

/** The connection could not be made, broke, or was silent for too long: another one may work. */
export class ConnectionError extends ServerError {
  override name = "ConnectionError";
}

/** The server sent something that its protocol does not allow: another connection may work. */
export class ProtocolError extends ServerError {
  override name = "ProtocolError";
}

/**
 * The server is not proved to be the one that is meant. No other connection helps, and nothing secret was
 * sent.
 */
export class TrustError extends ServerError {
  override name = "TrustError";
}

/** The reason of an error, for the end of a sentence. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const SHOWN_CHARS = 400;

/** Text of a stranger for a message: without anything that a terminal obeys, at most 400 characters. */
export function shown(text: string): string {
  const cut = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}...` : text;
  return cut.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, " ").trim();
}
