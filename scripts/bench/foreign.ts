/** The tools of others, on the same disk: for comparison, so few rounds are enough. */

import { join } from "@std/path/posix/join";
import type { Line } from "./lines.ts";
import { isInstalled } from "./process.ts";

/** What `gzip -1` makes of the disk is a measure for the .gz dump. */
export const GZIP = "gzip -1";

/** `gzip -1` and `zstd -1 -T0`, on every disk. */
export function compressorLines(): Line[] {
  return [
    { name: GZIP, command: ["gzip", "-1", "-k", "0.raw"], makes: ["0.raw.gz"], rounds: 1 },
    {
      name: "zstd -1 -T0",
      command: ["zstd", "-1", "-T0", "-q", "-k", "0.raw", "-o", "0.raw.zst"],
      makes: ["0.raw.zst"],
      rounds: 3,
    },
  ].map((line) => ({ ...line, reads: ["0.raw"] }));
}

/** Tools that write images and repositories, each into a fresh one. All they keep lies in `folder`. */
export function backupLines(folder: string): Line[] {
  const qemu = (args: string) => ["qemu-img", "convert", "-f", "raw", ...args.split(" ")];
  const restic = ["restic", "--repo", "restic", "--cache-dir", "restic.cache", "--quiet"];
  const resticEnv = { RESTIC_PASSWORD: "bench", TMPDIR: folder };
  const borgEnv = {
    BORG_BASE_DIR: join(folder, "borg.base"),
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes",
    TMPDIR: folder,
  };
  const lines: Line[] = [
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
  return lines.map((line) => ({ ...line, reads: ["0.raw"] }));
}

/** The lines whose program is there; tells `note` of the others. */
export function installedLines(lines: Line[], note: (text: string) => void): Line[] {
  return lines.filter(({ name, command: [program] }) => {
    const installed = isInstalled(program);
    if (!installed) note(`"${name}" is not measured: ${program} is not installed`);
    return installed;
  });
}
