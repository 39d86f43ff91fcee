/** The options of disks behind libvixDiskLib; what reads them is loaded for those disks alone. */

import { LIBDIR_VARIABLE } from "../disks/vddk/find.ts";
import { UsageError } from "../errors.ts";
import { flagOf, type Options } from "./options.ts";

/** Options of every command that reads or writes such disks. */
export const LIBRARY_OPTIONS = {
  remote: { value: "path", help: 'disk of a server: "[datastore] folder/disk.vmdk"' },
  server: { value: "host[:port]", help: "vCenter or ESXi host" },
  username: { value: "name", help: "account on the server" },
  password: { value: "text", help: "its password; other users see it in the process list" },
  passwordFile: {
    value: "file",
    help: "file with the password, or - (default: $VMDKBKP_PASSWORD, or to ask for it)",
  },
  thumbprint: { value: "hex", help: "SHA-1 of the server's certificate (vmdkbkp thumbprint HOST)" },
  insecure: { help: "connect without a thumbprint, to whoever answers" },
  vm: { value: "moref", help: "the virtual machine, such as vm-16" },
  snapshot: { value: "moref", help: "its snapshot, such as snapshot-47" },
  transportModes: { value: "modes", help: 'in order of preference (default: "nbdssl:nbd")' },
  san: { help: 'the same as --transport-modes "san:nbdssl:nbd"' },
  libdir: {
    value: "folder",
    help: `VMware's disk library (or set ${LIBDIR_VARIABLE}); --local goes through it, too`,
  },
  config: { value: "file", help: "configuration file of the library" },
  readSize: { value: "bytes", help: "bytes of a transfer (default: 1048576); many hosts fail above 2097152" },
  retries: { value: "n", help: "how often a failed call is tried again (default: 10)" },
  retryWait: { value: "seconds", help: "wait before the first of them, doubled each time (default: 1)" },
  timeout: { value: "seconds", help: "give the library up if a call takes longer (default: 600)" },
  libraryLog: { value: "file", help: "append the library's log to a file" },
} as const satisfies Options;

/** Their values. */
export type LibraryOptions = { [Name in keyof typeof LIBRARY_OPTIONS]?: string | true } & {
  local?: string;
};

/** Whether the command line wants a disk behind the library. */
export function wantsLibrary({ remote, libdir }: LibraryOptions): boolean {
  return remote !== undefined || libdir !== undefined;
}

/** Permissions that the library lacks, as options of Deno. Lists of names do not do: see docs/permissions.md. */
export function deniedFlags(): string[] {
  const needed = ["ffi", "run", "env"] as const;
  const denied = needed.filter((name) => Deno.permissions.querySync({ name }).state !== "granted");
  return denied.map((name) => `--allow-${name}`);
}

/** What a password is read from besides files: `-` is standard input, which archives may want as well. */
export function passwordStreams({ passwordFile }: LibraryOptions): string[] {
  return passwordFile === "-" ? ["-"] : [];
}

/** @throws {UsageError} if an option is given that is for disks behind the library, and this disk is none */
export function refuseLibraryOptions(options: LibraryOptions): void {
  for (const name of Object.keys(LIBRARY_OPTIONS) as (keyof typeof LIBRARY_OPTIONS)[]) {
    if (options[name] === undefined) continue;
    throw new UsageError(
      `Cannot use --${flagOf(name)}: it is for disks behind VMware's library (--remote or --libdir)`,
    );
  }
}
