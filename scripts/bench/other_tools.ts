/** Other programs on the same disk. They are only for comparison, so that few rounds are enough. */

import { join } from "@std/path/posix/join";
import type { Row } from "./rows.ts";
import { isInstalled } from "./process.ts";

/** Name of the row of `gzip -1`, whose output is compared with the .gz dump. */
export const GZIP = "gzip -1";

/** Returns the rows of `gzip -1` and `zstd -1 -T0`, which run on every disk. */
export function compressorRows(): Row[] {
  return [
    { name: GZIP, command: ["gzip", "-1", "-k", "0.raw"], makes: ["0.raw.gz"], rounds: 1 },
    {
      name: "zstd -1 -T0",
      command: ["zstd", "-1", "-T0", "-q", "-k", "0.raw", "-o", "0.raw.zst"],
      makes: ["0.raw.zst"],
      rounds: 3,
    },
  ].map((row) => ({ ...row, reads: ["0.raw"] }));
}

/**
 * Returns the rows of programs that write images and repositories. Each run writes into a new repository. All
 * files of the programs, including caches and settings, are in `folder`.
 */
export function backupRows(folder: string): Row[] {
  const qemu = (args: string) => ["qemu-img", "convert", "-f", "raw", ...args.split(" ")];
  const restic = ["restic", "--repo", "restic", "--cache-dir", "restic.cache", "--quiet"];
  const resticEnv = { RESTIC_PASSWORD: "bench", TMPDIR: folder };
  const borgEnv = {
    BORG_BASE_DIR: join(folder, "borg.base"),
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes",
    TMPDIR: folder,
  };
  const rows: Row[] = [
    {
      name: "qemu-img streamOptimized",
      command: qemu("-O vmdk -o subformat=streamOptimized 0.raw qemu.vmdk"),
      makes: ["qemu.vmdk"],
      rounds: 1,
    },
    {
      name: "qemu-img qcow2 -c",
      command: qemu("-c -O qcow2 0.raw qemu.qcow2"),
      makes: ["qemu.qcow2"],
      rounds: 1,
    },
    {
      name: "restic backup",
      prepare: [...restic, "init"],
      command: [...restic, "backup", "0.raw"],
      env: resticEnv,
      makes: ["restic"],
      leaves: ["restic.cache"],
      rounds: 1,
    },
    {
      name: "borg create",
      prepare: ["borg", "init", "--encryption=none", "borg"],
      command: ["borg", "create", "borg::bench", "0.raw"],
      env: borgEnv,
      makes: ["borg"],
      rounds: 1,
    },
  ];
  return rows.map((row) => ({ ...row, reads: ["0.raw"] }));
}

/** Returns the rows whose programs are installed, and passes a note about each other row to `note`. */
export function installedRows(rows: Row[], note: (text: string) => void): Row[] {
  return rows.filter(({ name, command: [program] }) => {
    const installed = isInstalled(program);
    if (!installed) note(`"${name}" is not measured: ${program} is not installed`);
    return installed;
  });
}
