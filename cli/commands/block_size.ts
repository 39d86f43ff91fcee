/** The option `--blocksize`. */

import { MAX_BLOCK_BYTES } from "../archive/header.ts";
import type { Option } from "../options/option.ts";
import { SECTOR_BYTES } from "../sector.ts";

/** Takes the sizes that blocks of archives can have. Each command says what the size is for. */
export const BLOCK_SIZE = {
  type: "bytes",
  value: "bytes",
  min: SECTOR_BYTES,
  max: MAX_BLOCK_BYTES,
  multipleOf: SECTOR_BYTES,
  help: "bytes of a block",
} as const satisfies Option;
