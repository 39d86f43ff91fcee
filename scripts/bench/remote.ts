/** Full dumps through the stand-in for VMware's disk library, compared with dumps of the disk's file. */

import { join } from "@std/path/posix/join";
import { makeMixedDisk } from "../disk_image.ts";
import { hasCompiler } from "../c_compiler.ts";
import { buildStandin } from "../standin.ts";
import { type Claim, compared } from "./claims.ts";
import type { Vmdkbkp } from "./commands.ts";
import type { Figure } from "./figures.ts";
import type { Recipe } from "./inputs.ts";
import type { Row } from "./rows.ts";

const MIB = 1024 * 1024;
const PASSWORD = "password";
const THUMBPRINT = Array.from({ length: 20 }, () => "AB").join(":");
/** Time that the slow server takes for each MiB: 10 ms, as over a network of 1 Gbit/s. */
const SLOW_US_PER_MIB = 10_000;
/**
 * Size of the fast server's disk as a multiple of the mixed one: large enough to hide the 0.2 s that the
 * library's process takes to start.
 */
export const FAST_SHARE = 3;
/** Size of the slow server's disk as a multiple of the mixed disk. */
const SLOW_SHARE = 1;
/** Rounds for the slow server, which takes ten seconds for each GiB. */
const SLOW_ROUNDS = 2;

const FROM_FILE = "full dump of a file";
const FROM_SERVER = "full dump through the library";
const FROM_SLOW_SERVER = "the same, 10 ms a MiB";

/** Compiles the stand-in and returns its folder. Undefined without a C compiler, which is noted. */
export async function remoteLibrary(note: (text: string) => void): Promise<string | undefined> {
  if (hasCompiler()) return await buildStandin(80);
  note("dumps through the disk library are not measured: the stand-in needs Linux and a C compiler");
  return undefined;
}

/** Returns the rows. `libdir` is the folder of the stand-in. */
export function remoteRows(vmdkbkp: Vmdkbkp, libdir: string): Row[] {
  const outputs = "--dumpout new.dump --digestout new.digest --force";
  const server =
    `--libdir ${libdir} --server vc1.example --username backup --thumbprint ${THUMBPRINT} --vm vm-16 ` +
    "--snapshot snapshot-47 --remote [ds1]web.vmdk";
  const made = { makes: ["new.dump", "new.digest"], ours: true };
  return [
    {
      name: FROM_FILE,
      command: vmdkbkp(`dump --mode full --local web.raw ${outputs}`),
      reads: ["web.raw"],
      ...made,
    },
    {
      name: FROM_SERVER,
      command: vmdkbkp(`dump --mode full --config fast.config ${server} ${outputs}`),
      reads: ["web.raw", "fast.config"],
      env: { VMDKBKP_PASSWORD: PASSWORD },
      proof: vmdkbkp("check --digestin new.digest new.dump"),
      ...made,
    },
    {
      name: FROM_SLOW_SERVER,
      command: vmdkbkp(`dump --mode full --config slow.config ${server} ${outputs}`),
      reads: ["slow.raw", "slow.config"],
      env: { VMDKBKP_PASSWORD: PASSWORD },
      rounds: SLOW_ROUNDS,
      ...made,
    },
  ];
}

/**
 * Returns how the disks and the configurations of the servers are made. `mib` is the size of the mixed disk.
 */
export function remoteRecipes({ mib }: { mib: number }): Recipe[] {
  const disk = (name: string, share: number): Recipe => ({
    makes: [name],
    make: (folder) => makeMixedDisk(join(folder, name), { sizeBytes: mib * share * MIB, seed: 1 }),
  });
  const config = (name: string, { file, more }: { file: string; more: string }): Recipe => ({
    makes: [name],
    make: (folder) =>
      Deno.writeTextFileSync(
        join(folder, name),
        `standin.server.1 = host=vc1.example user=backup password=${PASSWORD} thumbprint=${THUMBPRINT} kind=vcenter
standin.vm.1 = server=vc1.example moref=vm-16 snapshots=snapshot-47
standin.disk.1 = server=vc1.example vm=vm-16 path=[ds1]web.vmdk file=${join(folder, file)}
${more}
`,
      ),
  });
  return [
    disk("web.raw", FAST_SHARE),
    disk("slow.raw", SLOW_SHARE),
    config("fast.config", { file: "web.raw", more: "" }),
    config("slow.config", {
      file: "slow.raw",
      more: `standin.delay.1 = call=Read us_per_mib=${SLOW_US_PER_MIB}`,
    }),
  ];
}

/** Returns the claims about dumps through the library. `mib` is the size of the mixed disk. */
export function remoteClaims({ remote, mib }: { remote: Figure[]; mib: number }): Claim[] {
  const seconds = (name: string) => remote.find((figure) => figure.name === name)?.seconds;
  const readSeconds = mib * SLOW_SHARE * SLOW_US_PER_MIB / 1e6;
  return [
    compared(FROM_SERVER, {
      value: seconds(FROM_SERVER),
      to: seconds(FROM_FILE),
      of: FROM_FILE,
      atMost: 1.3,
    }),
    compared(`full dump, ${FROM_SLOW_SERVER.replace("the same, ", "")}`, {
      value: seconds(FROM_SLOW_SERVER),
      to: readSeconds,
      of: "the reads alone",
      atMost: 1.1,
    }),
  ];
}
