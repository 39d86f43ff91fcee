/** `vmdkbkp doctor`: which disks can be used here, and why not. */

import type { Examination } from "../disks/vddk/examine.ts";
import { deniedFlags } from "../disks/vddk/find.ts";
import {
  type FoundLibrary,
  LIBDIR_VARIABLE,
  libDirVariable,
  libraryIn,
  placesFor,
} from "../disks/vddk/find.ts";
import { EXIT } from "../errors.ts";
import { reasonOf } from "../files/system_errors.ts";
import { note } from "../files/standard_streams.ts";
import type { ServerExamination } from "../jobs/examine_server.ts";
import type { ValuesOf } from "../options/option.ts";
import { printable } from "../printable.ts";
import { type CommonOptions, newCommand, printReport } from "./common.ts";
import { ACCOUNT_OPTIONS, LIBRARY_FILES } from "./server/library_options.ts";
import { accountOf } from "./server/remote_disk.ts";

/** The library starts in a second or two. */
const TIMEOUT_SECONDS = 60;

/** What each permission is for. */
const PERMISSIONS = {
  read: "to read disks and archives",
  write: "to write them",
  env: "to hear of settings",
  ffi: "for VMware's library, and to know the holes of sparse files",
  run: "to run VMware's library in a process of its own",
  net: "to fetch thumbprints, and to read disks of servers without VMware's library",
} as const;

export const command = newCommand("doctor", {
  description: `Tell which kinds of disks can be used here, and what is missing for the others.

VMware's library is looked for, started and ended. With --libdir (or ${LIBDIR_VARIABLE}) the exit code is 4 if
the library there cannot be used.
With --server that server is examined as well, and nothing on it is changed: the login, the rights that are
missing for backups, the data port of each host, the change tracking of each machine. The exit code is 4 if
its disks cannot be read without the library.`,
  examples: `
vmdkbkp doctor
vmdkbkp doctor --libdir /opt/vmware-vix-disklib-distrib --json
vmdkbkp doctor --server esxi.example --username backup --thumbprint 12:34:...`,
  args: {},
  options: { ...LIBRARY_FILES, ...ACCOUNT_OPTIONS },
});

type Options = ValuesOf<typeof command> & Pick<CommonOptions, "signal">;

export async function run(options: Options): Promise<number> {
  const server = await examineServer(options);
  const denied = deniedPermissions();
  const places = placesFor(options.libdir);
  const library = places.map(libraryIn).find((found) => found !== undefined);
  const config = options.config === undefined ? undefined : readability(options.config);
  const examination = library && await start(library, options);
  const usable = examination !== undefined && examination.failure === undefined &&
    config?.problem === undefined;
  const isNamed = (options.libdir ?? libDirVariable()) !== undefined;
  const isGood = (usable || !isNamed) && server?.found.usable !== false;
  const exitCode = isGood ? EXIT.done : EXIT.diskLibrary;
  return printReport(options, {
    text: [
      `Disks in files (raw, VMDK): ${denied.includes("read") ? "usable where Deno may read them" : "usable"}`,
      `  holes of sparse files: ${
        denied.includes("ffi") ? "not known, everything is read" : "known, not read"
      }`,
      `Disks behind VMware's library (--remote, --libdir): ${usable ? "usable" : "not usable"}`,
      ...libraryLines(library, places, examination),
      ...(config === undefined
        ? []
        : [`  config: ${options.config}${config.problem ? `: ${config.problem}` : ""}`]),
      ...server?.lines ?? [],
      `Permissions: ${
        denied.length === 0 ? "all are granted" : "not granted, or for a list of names alone:"
      }`,
      ...denied.map((name) => `  --allow-${name}  ${PERMISSIONS[name]}`),
    ],
    json: {
      command: "doctor",
      ok: exitCode === EXIT.done,
      files: { usable: !denied.includes("read"), holesKnown: !denied.includes("ffi") },
      library: {
        usable,
        places,
        ...library,
        ...examination,
        ...(config?.problem ? { config: config.problem } : {}),
      },
      ...(server === undefined ? {} : { server: server.found }),
      deniedPermissions: denied,
    },
    exitCode,
  });
}

/** The findings about the server that the options name, if they do, and the lines about them. */
async function examineServer(
  options: Options,
): Promise<{ found: ServerExamination; lines: string[] } | undefined> {
  if (options.server === undefined) return undefined;
  const { examineAccount, explainPrivilege } = await import("../jobs/examine_server.ts");
  const { serverLines } = await import("./server/server_report.ts");
  const warn = (line: string) => note(`Warning: ${printable(line)}\n`);
  const found = await examineAccount(accountOf(options), { signal: options.signal, warn });
  return { found, lines: serverLines(found, explainPrivilege) };
}

async function start(
  library: FoundLibrary,
  options: Options,
): Promise<Examination> {
  const flags = deniedFlags();
  if (flags.length > 0) {
    const failure = `Deno was started without ${flags.join(" ")}`;
    return { failure, missingFunctions: [], complaints: [] };
  }
  const { examine } = await import("../disks/vddk/examine.ts");
  return await examine(library, { configFile: options.config, timeoutSeconds: TIMEOUT_SECONDS });
}

function libraryLines(
  library: FoundLibrary | undefined,
  places: readonly string[],
  examination: Examination | undefined,
): string[] {
  if (library === undefined || examination === undefined) {
    return [
      `  no libvixDiskLib.so in ${places.join(", ")}`,
      `  name the folder with --libdir or ${LIBDIR_VARIABLE}`,
    ];
  }
  const { failure, transportModes, missingFunctions, complaints } = examination;
  return [
    `  library: ${library.path} (version ${library.version})`,
    ...(failure === undefined ? [] : [`  cannot be started: ${failure}`]),
    ...(transportModes === undefined ? [] : [`  transport modes: ${transportModes}`]),
    ...(missingFunctions.length === 0 ? [] : [`  does without: ${missingFunctions.join(", ")}`]),
    ...complaints.map((line) => `  complains: ${line}`),
  ];
}

/** Asked without a prompt. */
function deniedPermissions(): (keyof typeof PERMISSIONS)[] {
  const names = Object.keys(PERMISSIONS) as (keyof typeof PERMISSIONS)[];
  return names.filter((name) => Deno.permissions.querySync({ name }).state !== "granted");
}

function readability(path: string): { problem?: string } {
  try {
    Deno.readTextFileSync(path);
    return {};
  } catch (error) {
    return { problem: reasonOf(error) };
  }
}
