/** What libvixDiskLib reports, and what to do about the usual codes. */

/** The codes that somebody here tells apart; names as in vixDiskLib.h and vix.h without `VIX_E_`. */
export const VIX = {
  ok: 0,
  fail: 1,
  outOfMemory: 2,
  notSupported: 6,
  fileAccess: 13,
  bufferTooSmall: 24,
  hostNotConnected: 26,
  hostDisconnected: 34,
  authentication: 35,
  hostConnectionLost: 36,
  userPermissions: 3014,
  invalidSession: 3047,
  keyNotFound: 16052,
} as const;

/** What users can do, for the codes that they meet. */
const ADVICE: Record<number, string> = {
  [VIX.fail]: "the library's catch-all; when opening a disk it mostly means a wrong --thumbprint",
  [VIX.outOfMemory]:
    "the host has no memory for the transfer: use a smaller --read-size or fewer backups at a time",
  4: "check the path of --remote: [datastore] folder/disk.vmdk",
  15: "the disk is in use: name a --snapshot to read a running machine",
  [VIX.fileAccess]:
    "the host denied access: a missing --snapshot, missing rights, or a host that does not answer on port 902",
  [VIX.authentication]: "check --username and the password",
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

/** What went wrong in a call of the library. */
export interface VixFault {
  /** Name of the function without its prefix: `Open`. */
  call: string;
  /** The lower 16 bits of the `VixError`. */
  code: number;
  /** What the library says of it. */
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

/** The upper bits of a `VixError` may carry something else. */
export function codeOf(error: bigint): number {
  return Number(error & 0xffffn);
}
