/** The disk of a server that a command reads, with VMware's library or without. */

import { libDirVariable, libraryIn, placesFor } from "../../disks/vddk/find.ts";
import { UsageError } from "../../errors.ts";
import type { DiskProvider, ProviderReport } from "../../jobs/disk_source.ts";
import type { LibraryDisks } from "../../jobs/library_disk.ts";
import type { ServerAccount } from "../../jobs/server_disk.ts";
import { flagOf } from "../../options/option.ts";
import {
  type LibraryOptions,
  passwordStreams,
  type ReadingOptions,
  wantsLibrary,
} from "./library_options.ts";
import { readPassword } from "../../files/password.ts";
import { parseServer } from "../../vsphere/net/server_address.ts";

/** Options that one of the two ways does not have. */
const OF_LIBRARY_ALONE = ["libdir", "config", "insecure", "transportModes", "san", "libraryLog"] as const;
const OF_NFC_ALONE = ["caFile", "window", "changedSince"] as const;

/** What a command uses of a disk that is not a file of its own. */
type RemoteDisk = DiskProvider & AsyncDisposable & { report(): ProviderReport };

/**
 * Returns the disk behind a server or behind VMware's library that the options name, if they do.
 *
 * @throws {UsageError} if an option is none of the way in which the disk is read
 * @throws {DiskLibraryError} if the library is needed and there is none
 */
export async function remoteDisk(options: ReadingOptions): Promise<RemoteDisk | undefined> {
  if (!wantsLibrary(options)) return undefined;
  if (options.remote !== undefined && !usesLibrary(options)) {
    const { ServerDisk } = await import("../../jobs/server_disk.ts");
    const { retryWait, timeout } = options;
    return new ServerDisk({
      account: accountOf(options),
      vm: options.vm!,
      snapshot: options.snapshot,
      path: options.remote,
      window: options.window,
      retries: options.retries,
      firstWaitMs: retryWait * 1000,
      patienceMs: timeout === undefined ? undefined : timeout * 1000,
      inputs: passwordStreams(options),
    });
  }
  return (await libraryDisks(options)).start();
}

/** Returns the disks behind VMware's library that the options name. @throws {DiskLibraryError} if there is none */
export async function libraryDisks(
  options: LibraryOptions,
  { writes }: { writes?: boolean } = {},
): Promise<LibraryDisks> {
  const { LibraryDisks } = await import("../../jobs/library_disk.ts");
  const { local, remote, libdir, config, timeout, retries, retryWait, readSize, libraryLog } = options;
  const { vm, snapshot, insecure, transportModes, san } = options;
  return new LibraryDisks({
    ...{ local, libdir, config, timeout, retries, writes },
    firstWaitMs: retryWait * 1000,
    callBytes: readSize,
    log: libraryLog,
    inputs: passwordStreams(options),
    ...(remote === undefined ? {} : {
      server: {
        account: accountOf(options),
        ...{ path: remote, vm: vm!, snapshot, insecure, modes: transportModes, san },
      },
    }),
  });
}

/** Whether a disk of a server is read through the library. @throws {UsageError} if options contradict that */
function usesLibrary(options: ReadingOptions): boolean {
  const ofLibrary = OF_LIBRARY_ALONE.filter((name) => options[name] !== undefined);
  const ofNfc = OF_NFC_ALONE.filter((name) => options[name] !== undefined);
  const uses = options.transport === "auto"
    ? ofLibrary.length > 0 || (ofNfc.length === 0 && isInstalled())
    : options.transport === "vddk";
  const [wrong] = uses ? ofNfc : ofLibrary;
  if (wrong === undefined) return uses;
  throw new UsageError(
    `Cannot use --${flagOf(wrong)} ` +
      (uses
        ? "with VMware's disk library: --transport nfc reads without it"
        : "with --transport nfc: it is an option of VMware's disk library"),
  );
}

/** Whether the library is there, or the environment says where it should be. */
function isInstalled(): boolean {
  return libDirVariable() !== undefined ||
    placesFor(undefined).some((place) => libraryIn(place) !== undefined);
}

/** The server and the account on it that options name; the password is asked for later. */
export function accountOf(
  options:
    & Pick<ReadingOptions, "server" | "username" | "password" | "passwordFile" | "thumbprint">
    & Partial<Pick<ReadingOptions, "caFile">>,
): ServerAccount {
  const { password, passwordFile, thumbprint, caFile } = options;
  const [server, user] = [options.server!, options.username!];
  return {
    ...{ user, thumbprint, caFile },
    endpoint: parseServer(server),
    password: ({ signal, warn }) =>
      readPassword({ password, passwordFile, signal }, { user, server: parseServer(server).host, warn }),
  };
}
