/** The options of disks behind libvixDiskLib; what reads them is loaded for those disks alone. */

import { LIBDIR_VARIABLE } from "../../disks/vddk/find.ts";
import { PASSWORD_VARIABLE } from "../../files/password.ts";
import type { Options, OptionValues } from "../../options/option.ts";
import { SECTOR_BYTES } from "../../sector.ts";

/** Four of them are shared with the library's process. */
const MAX_CALL_BYTES = 16 * 1024 * 1024;

const OF_SERVER = { group: "server", requires: ["remote"] } as const;
const OF_LIBRARY = { group: "library", requires: [["remote", "libdir"]] } as const;

/** The files of the library, which `doctor` examines too. */
export const LIBRARY_FILES = {
  libdir: {
    type: "folder",
    group: "library",
    value: "folder",
    help: `VMware's disk library (or set ${LIBDIR_VARIABLE}); --local goes through it, too`,
    environment: {
      variable: LIBDIR_VARIABLE,
      help:
        "The folder of VMware's disk library where --libdir is not given. It does not have --local go through it.",
    },
  },
  config: { type: "file", group: "library", value: "file", help: "configuration file of the library" },
} as const satisfies Options;

/** Options of every command that reads or writes such disks. */
export const LIBRARY_OPTIONS = {
  remote: {
    type: "text",
    group: "server",
    value: "path",
    requires: ["server", "username", "vm", ["thumbprint", "insecure"]],
    excludes: { local: "name one disk" },
    help: 'disk of a server: "[datastore] folder/disk.vmdk"',
  },
  server: { ...OF_SERVER, type: "text", value: "host[:port]", help: "vCenter or ESXi host" },
  username: { ...OF_SERVER, type: "text", value: "name", help: "account on the server" },
  password: {
    ...OF_SERVER,
    type: "text",
    value: "text",
    excludes: { passwordFile: "only one of them can be given" },
    help: "its password; other users see it in the process list",
    environment: {
      variable: PASSWORD_VARIABLE,
      help: "The password where neither --password nor --password-file is given.",
    },
  },
  passwordFile: {
    ...OF_SERVER,
    type: "input",
    value: "file",
    help: `file with the password, or - (default: $${PASSWORD_VARIABLE}, or to ask for it)`,
  },
  thumbprint: {
    ...OF_SERVER,
    type: "text",
    value: "hex",
    excludes: { insecure: "the second is to do without the first" },
    help: "SHA-1 of the server's certificate (vmdkbkp thumbprint HOST)",
  },
  insecure: { ...OF_SERVER, type: "flag", help: "connect without a thumbprint, to whoever answers" },
  vm: { ...OF_SERVER, type: "text", value: "moref", help: "the virtual machine, such as vm-16" },
  snapshot: { ...OF_SERVER, type: "text", value: "moref", help: "its snapshot, such as snapshot-47" },
  transportModes: {
    ...OF_SERVER,
    type: "text",
    value: "modes",
    help: 'in order of preference (default: "nbdssl:nbd")',
  },
  san: {
    ...OF_SERVER,
    type: "flag",
    excludes: { transportModes: "the first stands for the second" },
    help: 'the same as --transport-modes "san:nbdssl:nbd"',
  },
  ...LIBRARY_FILES,
  config: { ...LIBRARY_FILES.config, ...OF_LIBRARY },
  readSize: {
    ...OF_LIBRARY,
    type: "bytes",
    value: "bytes",
    min: SECTOR_BYTES,
    max: MAX_CALL_BYTES,
    multipleOf: SECTOR_BYTES,
    default: 1024 * 1024,
    help: "bytes of a transfer; many hosts fail above 2097152",
  },
  retries: {
    ...OF_LIBRARY,
    type: "count",
    value: "n",
    max: 1000,
    default: 10,
    help: "how often a failed call is tried again",
  },
  retryWait: {
    ...OF_LIBRARY,
    type: "seconds",
    value: "seconds",
    max: 3600,
    default: 1,
    help: "wait before the first of them, doubled each time",
  },
  timeout: {
    ...OF_LIBRARY,
    type: "seconds",
    value: "seconds",
    min: 1,
    max: 86_400,
    whole: true,
    help: "end with an error if no answer comes for so long (default: 600; without the library 60)",
  },
  libraryLog: { ...OF_LIBRARY, type: "file", value: "file", help: "append the library's log to a file" },
} as const satisfies Options;

/** Options of every command that reads disks of a server, with VMware's library or without. */
export const READING_OPTIONS = {
  ...LIBRARY_OPTIONS,
  remote: {
    ...LIBRARY_OPTIONS.remote,
    requires: ["server", "username", "vm", ["thumbprint", "caFile", "insecure"]],
  },
  transport: {
    ...OF_SERVER,
    type: "choice",
    value: "way",
    choices: ["auto", "nfc", "vddk"],
    default: "auto",
    help: "nfc: without VMware's library, vddk: with it; auto (default): with it if it is installed",
  },
  thumbprint: {
    ...LIBRARY_OPTIONS.thumbprint,
    help: "SHA-1 of the server's certificate, or SHA-256 with nfc (vmdkbkp thumbprint HOST)",
  },
  caFile: {
    ...OF_SERVER,
    type: "file",
    value: "file",
    excludes: { thumbprint: "one proof is enough", insecure: "the second is to do without the first" },
    help: "certificates (PEM) of authorities, one of which has signed the server's (nfc)",
  },
  vm: {
    ...LIBRARY_OPTIONS.vm,
    value: "machine",
    help: "the virtual machine, such as vm-16; with nfc also by name, path=, uuid=",
  },
  snapshot: {
    ...LIBRARY_OPTIONS.snapshot,
    value: "snapshot",
    help: "its snapshot, such as snapshot-47; with nfc also by name",
  },
  window: {
    ...OF_SERVER,
    type: "count",
    value: "n",
    min: 1,
    max: 32,
    help: "reads under way at a time (nfc; default: 16)",
  },
} as const satisfies Options;

const { username, password, passwordFile, thumbprint, caFile } = READING_OPTIONS;
const OF_ACCOUNT = { group: "account", requires: ["server"] } as const;

/** Options of a command that looks at a server and not at one of its disks. */
export const ACCOUNT_OPTIONS = {
  server: {
    ...READING_OPTIONS.server,
    group: "account",
    requires: ["username", ["thumbprint", "caFile"]],
    help: "examine this vCenter or ESXi host, too",
  },
  username: { ...username, ...OF_ACCOUNT },
  password: { ...password, ...OF_ACCOUNT },
  passwordFile: { ...passwordFile, ...OF_ACCOUNT },
  thumbprint: {
    ...thumbprint,
    ...OF_ACCOUNT,
    excludes: {},
    help: "SHA-1 or SHA-256 of its certificate (vmdkbkp thumbprint HOST)",
  },
  caFile: { ...caFile, ...OF_ACCOUNT, excludes: { thumbprint: "one proof is enough" } },
} as const satisfies Options;

/** Their values, and the disk that is a file of this machine. */
export type LibraryOptions = OptionValues<typeof LIBRARY_OPTIONS> & { local?: string };

/** The values of {@linkcode READING_OPTIONS}, and what else is for one way of reading alone. */
export type ReadingOptions = OptionValues<typeof READING_OPTIONS> & { local?: string; changedSince?: string };

/** Whether the command line wants a disk behind the library. */
export function wantsLibrary({ remote, libdir }: Pick<LibraryOptions, "remote" | "libdir">): boolean {
  return remote !== undefined || libdir !== undefined;
}

/** What a password is read from besides files: `-` is standard input, which archives may want as well. */
export function passwordStreams({ passwordFile }: Pick<LibraryOptions, "passwordFile">): string[] {
  return passwordFile === "-" ? ["-"] : [];
}
