/** The errors of libvixDiskLib, and advice for the usual ones. */

/** The codes that the program distinguishes, with the names of vixDiskLib.h and vix.h without `VIX_E_`. */
export const VIX = {
  ok: 0,
  fail: 1,
  outOfMemory: 2,
  invalidArgument: 3,
  notSupported: 6,
  fileAccess: 13,
  notSupportedRemotely: 20,
  bufferTooSmall: 24,
  hostNotConnected: 26,
  hostDisconnected: 34,
  authentication: 35,
  hostConnectionLost: 36,
  userPermissions: 3014,
  invalidSession: 3047,
  diskNotSupported: 16013,
  keyNotFound: 16052,
} as const;

/** Advice for users. */
const ADVICE: Record<number, string> = {
  [VIX.fail]:
    "the library's catch-all; when opening a disk of a server it mostly means a wrong --thumbprint, a " +
    "running machine that is read without --snapshot, or an independent disk, which snapshots leave out",
  [VIX.outOfMemory]:
    "the host has no memory for the transfer: use a smaller --read-size or fewer backups at a time",
  [VIX.invalidArgument]: "a parameter is invalid",
  4: "check the path of --remote: [datastore] folder/disk.vmdk",
  15: "the disk is in use: name a --snapshot to read a running machine",
  [VIX.fileAccess]:
    "the host denied access: a missing --snapshot, missing rights, or a host that does not answer on port 902",
  [VIX.authentication]:
    "an encrypted machine: read it over nbdssl or hotadd (--transport-modes), with an account that has the privilege " +
    "Cryptographic operations, Direct Access",
  [VIX.userPermissions]: "check --username, the password, and the rights of the account",
  [VIX.invalidSession]: "the session has ended",
  4000: "check --vm: the managed object reference of the machine, such as vm-16",
  13003: "check --snapshot: the managed object reference of the snapshot, such as snapshot-47",
  14006: "the connection to the host failed at its beginning",
  14008: "check --server: the name cannot be found",
  14009: "the host refuses connections: port 902 of every ESXi host must be reachable",
  16003: "a file of the disk's chain of snapshots is missing",
  16011: "the disk is newer than the library: use a newer one",
  18000: "check --server: nothing answers there",
  18002: "check --server: that is no name of a host",
  30006: "check --server: the name cannot be found",
  30007: "check --server: nothing answers there",
  30035: "no TLS connection: check --server and --thumbprint",
  30201: "no TLS connection: check --server and --thumbprint",
};

/** The error of a call of the library. */
export interface VixFault {
  /** The name of the function without its prefix: `Open`. */
  call: string;
  /** The lower 16 bits of the `VixError`. */
  code: number;
  /** The library's text for the code. */
  text: string;
}

/** A call of libvixDiskLib failed. */
export class VixError extends Error implements VixFault {
  override name = "VixError";
  readonly call: string;
  readonly code: number;
  readonly text: string;

  constructor({ call, code, text }: VixFault) {
    const advice = ADVICE[code];
    super(`${call} failed with code ${code}, "${text}"${advice === undefined ? "" : ` (${advice})`}`);
    this.call = call;
    this.code = code;
    this.text = text;
  }
}

/** Returns the code of a `VixError`, whose upper bits may carry other data. */
export function codeOf(error: bigint): number {
  return Number(error & 0xffffn);
}
