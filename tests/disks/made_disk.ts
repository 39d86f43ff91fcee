/** Makes disks as the program does. */

import { assertEquals } from "@std/assert";
import { basename } from "@std/path/posix/basename";
import { createDisk, type CreateOptions } from "../../cli/disks/create.ts";
import type { WritableDisk } from "../../cli/disks/disk.ts";

/** Outputs as the program makes them: temporary names that become final in the order of opening. */
export class Outputs {
  readonly names: string[] = [];
  readonly #files: Deno.FsFile[] = [];

  readonly open = (path: string): Deno.FsFile => {
    this.names.push(path);
    const file = Deno.openSync(`${path}.tmp`, { read: true, write: true, createNew: true });
    this.#files.push(file);
    return file;
  };

  commit(): void {
    this.close();
    for (const name of this.names) Deno.renameSync(`${name}.tmp`, name);
  }

  close(): void {
    for (const file of this.#files) file.close();
  }
}

/** Makes a disk, fills it with `fill`, and returns the names of its files in the order of opening. */
export async function create(
  path: string,
  options: CreateOptions,
  fill: (disk: WritableDisk) => void | Promise<void> = () => {},
): Promise<string[]> {
  const outputs = new Outputs();
  {
    using disk = await createDisk(path, options, outputs.open);
    assertEquals([disk.fresh, disk.capacityBytes, disk.path], [true, options.capacityBytes, path]);
    await fill(disk);
    await disk.sync();
  }
  outputs.commit();
  return outputs.names.map((name) => basename(name));
}
