/**
 * The offsets in structs.ts are compared with the header of the stand-in, as the compiler lays out its
 * structs.
 */

import { assertEquals } from "@std/assert";
import * as structs from "../../../ffi/vix/structs.ts";
import { compile } from "../../../scripts/c_compiler.ts";
import { APIS } from "../../../scripts/standin.ts";
import { testWith } from "../../support/skip.ts";
import { MISSING_STANDIN } from "../../support/standin_world.ts";

/** Expressions in C, and their values; `since` is the version that added the field. */
const EXPECTED: { c: string; value: number; since?: number }[] = [
  { c: "offsetof(VixDiskLibConnectParams, vmxSpec)", value: structs.CONNECT_PARAMS.vmxSpec },
  { c: "offsetof(VixDiskLibConnectParams, serverName)", value: structs.CONNECT_PARAMS.serverName },
  { c: "offsetof(VixDiskLibConnectParams, thumbPrint)", value: structs.CONNECT_PARAMS.thumbPrint },
  { c: "offsetof(VixDiskLibConnectParams, credType)", value: structs.CONNECT_PARAMS.credType },
  { c: "offsetof(VixDiskLibConnectParams, creds.uid.userName)", value: structs.CONNECT_PARAMS.userName },
  { c: "offsetof(VixDiskLibConnectParams, creds.uid.password)", value: structs.CONNECT_PARAMS.password },
  { c: "offsetof(VixDiskLibConnectParams, port)", value: structs.CONNECT_PARAMS.port },
  { c: "sizeof(VixDiskLibConnectParams)", value: structs.CONNECT_PARAMS.size, since: 67 },
  { c: "offsetof(VixDiskLibInfo, capacity)", value: structs.INFO.capacity },
  { c: "offsetof(VixDiskLibInfo, adapterType)", value: structs.INFO.adapterType },
  { c: "offsetof(VixDiskLibCreateParams, diskType)", value: structs.CREATE_PARAMS.diskType },
  { c: "offsetof(VixDiskLibCreateParams, adapterType)", value: structs.CREATE_PARAMS.adapterType },
  { c: "offsetof(VixDiskLibCreateParams, hwVersion)", value: structs.CREATE_PARAMS.hwVersion },
  { c: "offsetof(VixDiskLibCreateParams, capacity)", value: structs.CREATE_PARAMS.capacity },
  { c: "sizeof(VixDiskLibCreateParams)", value: structs.CREATE_PARAMS.size, since: 70 },
  { c: "offsetof(VixDiskLibBlockList, blocks)", value: structs.BLOCK_LIST.blocks, since: 67 },
  { c: "sizeof(VixDiskLibBlock)", value: structs.BLOCK_LIST.blockSize, since: 67 },
];

testWith(
  { missing: MISSING_STANDIN },
  "structs.ts has the offsets of the headers of all versions",
  async () => {
    const folder = new URL(`file://${Deno.makeTempDirSync()}/`);
    try {
      const header = new URL("../../../ffi/standin/vix_disk_lib.h", import.meta.url).pathname;
      for (const api of APIS) {
        const known = EXPECTED.filter(({ since = 0 }) => since <= api);
        const source = new URL("offsets.c", folder);
        const lines = known.map(({ c }) => `printf("%zu\\n", (size_t)(${c}));`);
        Deno.writeTextFileSync(
          source,
          `#include <stddef.h>\n#include <stdio.h>\n#include "${header}"\nint main(void) { ${
            lines.join("\n")
          } }`,
        );
        await compile(new URL("offsets", folder), [source], [`-DAPI=${api}`]);
        const { stdout } = new Deno.Command(new URL("offsets", folder).pathname).outputSync();
        const measured = new TextDecoder().decode(stdout).trim().split("\n").map(Number);
        assertEquals(measured, known.map(({ value }) => value), `level ${api}`);
      }
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
);
