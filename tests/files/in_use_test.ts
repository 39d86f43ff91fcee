import { assertEquals } from "@std/assert";
import { basename } from "@std/path/posix/basename";
import {
  devicesOn,
  lockFoldersOf,
  mountPointsOf,
  numberOf,
  writableMountsOf,
} from "../../cli/files/in_use.ts";
import { Folder } from "../disks/helpers.ts";

const MOUNTS = `
21 25 0:19 / /sys rw,nosuid shared:7 - sysfs sysfs rw
25 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
36 25 8:17 / /mnt/with\\040blank\\134 rw,noatime master:1 - xfs /dev/sdb1 rw,attr2
37 25 8:18 / /mnt/ro ro,relatime shared:3 - ext4 /dev/sdb2 ro
38 25 8:18 /sub /mnt/bound rw shared:4 - ext4 /dev/sdb2 ro
39 25 8:19 / /mnt/bound-ro ro shared:4 - ext4 /dev/sdb3 rw,discard
40 25 0:44 /@home /home rw shared:5 - btrfs /dev/sdc rw,subvol=/@home
41 25 0:44 / /btrfs rw shared:5 - btrfs /dev/sdc rw,subvolid=5
42 25 253:0 / /lvm rw shared:6 - ext4 /dev/mapper/vg-lv rw
43 25 0:50 / /net rw shared:6 - nfs4 server:/x rw
44 25 8:17 / /mnt/again rw shared:6 - xfs /dev/sdb1 rw,attr2
broken line
`;
const SOURCES: Record<string, string> = { "/dev/sdc": "8:32", "/dev/sdb1": "8:17" };

Deno.test("mountPointsOf() finds writable mounts by the number and by the path of the device", () => {
  const of = (...devices: string[]) => mountPointsOf(new Set(devices), MOUNTS, (source) => SOURCES[source]);
  assertEquals(of("8:1"), ["/"]);
  assertEquals(of("8:17"), ["/mnt/with blank\\", "/mnt/again"]);
  assertEquals(of("8:18"), [], "a file system that is mounted for reading alone");
  assertEquals(of("8:19"), ["/mnt/bound-ro"], "written at another place than this");
  assertEquals(of("8:32"), ["/home", "/btrfs"]);
  assertEquals(of("8:99"), []);
  assertEquals(of("0:50"), ["/net"]);
});

Deno.test("numberOf() decodes device numbers of Linux", () => {
  // The results of os.makedev() of Python.
  const packed: Record<string, number> = {
    "8:1": 0x801,
    "253:0": 0xfd00,
    "0:66309": 0x10300005,
    "259:70000": 0x11110370,
    "5000:3": 0x100000038803,
  };
  for (const [number, rdev] of Object.entries(packed)) assertEquals(numberOf(rdev), number);
});

Deno.test("devicesOn() finds the partitions of a device and all devices on top of them", () => {
  using folder = new Folder();
  const device = (place: string, number: string, ...also: string[]) => {
    Deno.mkdirSync(folder.file(`dev/block/${place}`), { recursive: true });
    for (const name of ["dev", ...also]) folder.file(`dev/block/${place}/${name}`, `${number}\n`);
  };
  // A disk with two partitions, a mapping on the second one, and another mapping on that.
  device("8:16", "8:16");
  device("8:16/sdb1", "8:17", "partition");
  device("8:16/sdb2", "8:18", "partition");
  device("8:16/queue", "0:0");
  device("8:18", "8:18", "partition");
  device("8:18/holders/dm-0", "253:0");
  device("253:0", "253:0");
  device("253:0/holders/dm-1", "253:1");
  // A device that does not exist, and two devices that name each other.
  device("9:0", "9:0");
  device("9:0/holders/dm-9", "9:1");
  device("9:1/holders/md0", "9:0");
  const on = (number: string) => [...devicesOn(number, folder.path)].sort();
  assertEquals(on("8:16"), ["253:0", "253:1", "8:16", "8:17", "8:18"]);
  assertEquals(on("8:18"), ["253:0", "253:1", "8:18"]);
  assertEquals(on("253:1"), ["253:1"]);
  assertEquals(on("9:0"), ["9:0", "9:1"]);
  assertEquals(on("7:7"), ["7:7"]);
});

Deno.test("writableMountsOf() returns nothing for files, folders and missing paths", () => {
  using folder = new Folder();
  for (const path of [folder.path, folder.file("file", "x"), folder.file("absent"), "/dev/null"]) {
    assertEquals(writableMountsOf(path), []);
  }
});

Deno.test("lockFoldersOf() finds the folders of descriptors, extents and parents, and no files", () => {
  using folder = new Folder();
  for (const name of ["a.vmdk.lck", "b-flat.vmdk.lck", "c.raw.lck", "d.vmdk.lck"]) {
    Deno.mkdirSync(folder.file(name));
  }
  folder.file("file.vmdk.lck", "");
  const found = (...names: string[]) =>
    lockFoldersOf(names.map((name) => folder.file(name))).map((path) => path.slice(folder.path.length + 1));
  assertEquals(found("a.vmdk", "a-flat.vmdk"), ["a.vmdk.lck"]);
  assertEquals(found("a.vmdk", "./a.vmdk", "../" + basename(folder.path) + "/a-flat.vmdk"), ["a.vmdk.lck"]);
  assertEquals(found("b.vmdk", "b-flat.vmdk"), ["b-flat.vmdk.lck"]);
  assertEquals(found("c.raw"), ["c.raw.lck"]);
  for (const extent of ["flat", "delta", "sesparse", "s001", "f012"]) {
    assertEquals(found(`d-${extent}.vmdk`), ["d.vmdk.lck"], extent);
  }
  assertEquals(found("file.vmdk", "e.vmdk", "d-flat.raw", "d-x.vmdk"), []);
});
