/** Names the parameters of a call that the library calls invalid; its code does not tell which one it means. */

import { VIX, VixError } from "../../../ffi/vix/vix_error.ts";
import { quoted } from "../refusal.ts";

/** The parameters that the user gave, as far as the library gets them. */
export interface GivenParameters {
  target?: { serverName: string; port: number; vm: string; thumbprint?: string };
  snapshot?: string;
  modes?: string;
  path: string;
  configFile?: string;
  libDir: string;
}

/**
 * Returns the parameters that may be meant by the error of a call, with the options that give them; undefined for
 * other errors.
 */
export function parametersMeant(error: unknown, given: GivenParameters): string | undefined {
  if (!(error instanceof VixError) || error.code !== VIX.invalidArgument) return undefined;
  const { target, snapshot, modes, path, configFile, libDir } = given;
  const named: (readonly [value: string | number | undefined, what: string])[] = error.call === "InitEx"
    ? [[libDir, "--libdir"], [configFile, "--config"]]
    : [
      [modes, target === undefined ? "transport modes" : "--transport-modes"],
      [target?.serverName, "--server"],
      [target?.port, "port of --server"],
      [target?.vm, "--vm"],
      [snapshot, "--snapshot"],
      [target?.thumbprint, "--thumbprint"],
      [path, target === undefined ? "--local" : "--remote"],
    ];
  const shown = named.filter(([value]) => value !== undefined)
    .map(([value, what]) => `${what} ${typeof value === "string" ? quoted(value) : value}`);
  return `given were ${shown.join(", ")}`;
}
