import { assertEquals } from "@std/assert";
import { join } from "@std/path/posix/join";
import { libraryIn } from "../../../cli/disks/vddk/find.ts";
import { Folder } from "../helpers.ts";

/** Makes a tree as VMware unpacks it: a file for each version, and links for its major version. */
function tree(folder: Folder, versions: string[], inside = "lib64"): string {
  const root = Deno.realPathSync(folder.path);
  Deno.mkdirSync(join(root, inside), { recursive: true });
  for (const version of versions) {
    Deno.writeTextFileSync(join(root, inside, `libvixDiskLib.so.${version}`), "");
    const link = join(root, inside, `libvixDiskLib.so.${version.split(".")[0]}`);
    Deno.symlinkSync(`libvixDiskLib.so.${version}`, link);
  }
  return root;
}

Deno.test("libraryIn() finds the newest version in the tree, and returns the version in its name", () => {
  using folder = new Folder();
  const root = tree(folder, ["6.5.0", "8.0.3", "7.0.2"]);
  const bundleDir = join(root, "lib64");
  const expected = {
    path: join(bundleDir, "libvixDiskLib.so.8.0.3"),
    version: "8.0.3",
    libDir: root,
    bundleDir,
  };
  assertEquals(libraryIn(root), expected);
  assertEquals(libraryIn(bundleDir), expected);
});

Deno.test("libraryIn() returns the file that is named", () => {
  using folder = new Folder();
  const root = tree(folder, ["6.5.0", "8.0.3"]);
  assertEquals(libraryIn(join(root, "lib64", "libvixDiskLib.so.6"))?.version, "6.5.0");
});

Deno.test("libraryIn() knows version 9, whose name has four numbers", () => {
  using folder = new Folder();
  assertEquals(libraryIn(tree(folder, ["9.1.0.0"]))?.version, "9.1.0.0");
});

Deno.test("libraryIn() finds a library without the folder lib64", () => {
  using folder = new Folder();
  const root = tree(folder, ["7.0.3"], ".");
  assertEquals(libraryIn(root)?.libDir, root);
});

Deno.test("libraryIn() finds a library whose links were lost, and orders 10 after 9", () => {
  using folder = new Folder();
  const root = tree(folder, ["8.0.9"]);
  Deno.removeSync(join(root, "lib64", "libvixDiskLib.so.8"));
  Deno.writeTextFileSync(join(root, "lib64", "libvixDiskLib.so.8.0.10"), "");
  assertEquals(libraryIn(root)?.version, "8.0.10");
});

Deno.test("libraryIn() returns undefined if there is no library", () => {
  using folder = new Folder();
  assertEquals(libraryIn(folder.path), undefined);
  assertEquals(libraryIn(join(folder.path, "libvixDiskLib.so.8")), undefined);
});
