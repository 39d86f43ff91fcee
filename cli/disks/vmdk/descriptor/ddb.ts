/** The disk data base of a VMDK: the keys that the program uses, and those that a new disk needs. */

import { SECTOR_BYTES } from "../../../sector.ts";
import { ADAPTER } from "../../disk.ts";

const ADAPTER_NAMES: readonly (readonly [number, string])[] = [
  [ADAPTER.ide, "ide"],
  [ADAPTER.busLogic, "buslogic"],
  [ADAPTER.lsiLogic, "lsilogic"],
  [ADAPTER.unknown, "legacyESX"],
];

/**
 * Returns the number of `adapterType`: `lsilogic` gives 3; `legacyESX`, unknown names and no name give 256.
 */
export function adapterTypeOf(metadata: ReadonlyMap<string, string>): number {
  const wanted = valueOf(metadata, "adapterType")?.toLowerCase();
  return ADAPTER_NAMES.find(([, name]) => name.toLowerCase() === wanted)?.[0] ?? ADAPTER.unknown;
}

/**
 * Returns `metadata` with the keys that a new disk needs: adapter, geometry and hardware version.
 *
 * IDE disks have 16 heads, 63 sectors and at most 16383 cylinders; all others have 255 heads and 63 sectors.
 * Cylinders are rounded down as VMware does (83886080 sectors / 255 / 63 gives 5221). The geometry is kept
 * together: if `metadata` has a part of it, nothing is added, so that two sources do not mix.
 */
export function withDefaults(
  metadata: ReadonlyMap<string, string>,
  { capacityBytes, adapterType }: { capacityBytes: number; adapterType: number },
): Map<string, string> {
  const all = new Map(metadata);
  if (valueOf(all, "adapterType") === undefined) {
    all.set("adapterType", ADAPTER_NAMES.find(([number]) => number === adapterType)?.[1] ?? "legacyESX");
  }
  if (![...all.keys()].some((key) => key.toLowerCase().startsWith("geometry."))) {
    const ide = adapterTypeOf(all) === ADAPTER.ide;
    const heads = ide ? 16 : 255;
    const cylinders = Math.max(1, Math.floor(capacityBytes / SECTOR_BYTES / heads / 63));
    all.set("geometry.cylinders", String(ide ? Math.min(cylinders, 16383) : cylinders));
    all.set("geometry.heads", String(heads));
    all.set("geometry.sectors", "63");
  }
  if (valueOf(all, "virtualHWVersion") === undefined) all.set("virtualHWVersion", "4");
  return all;
}

/** The key that belongs to one link alone: its last digits are the CID of the link. */
const NOT_INHERITED = "longcontentid";

/**
 * Returns the data base of a disk from those of its links, the top one first. A child inherits the keys that
 * it does not have.
 */
export function inherit(links: readonly ReadonlyMap<string, string>[]): ReadonlyMap<string, string> {
  const [top, ...parents] = links;
  if (parents.length === 0) return top;
  const all = new Map(top);
  const known = new Set([NOT_INHERITED, ...Array.from(top.keys(), (key) => key.toLowerCase())]);
  for (const [key, value] of parents.flatMap((parent) => [...parent])) {
    if (known.has(key.toLowerCase())) continue;
    known.add(key.toLowerCase());
    all.set(key, value);
  }
  return all;
}

/** 0xffffffff means that there is no disk, and VMware gives 0xfffffffe to disks that were never written. */
const RESERVED_CID = 0xfffffffe;

/**
 * Returns the CID in `longContentID`, if there is one. Its last eight digits equal the CID, so a disk that is
 * restored with this key keeps its CID, too.
 */
export function cidOf(metadata: ReadonlyMap<string, string>): number | undefined {
  const digits = valueOf(metadata, "longContentID")?.match(/^[0-9a-f]{24}([0-9a-f]{8})$/i)?.[1];
  const cid = digits === undefined ? RESERVED_CID : parseInt(digits, 16);
  return cid < RESERVED_CID ? cid : undefined;
}

/** Returns a random content id. */
export function drawCid(): number {
  for (;;) {
    const [cid] = crypto.getRandomValues(new Uint32Array(1));
    if (cid < RESERVED_CID) return cid;
  }
}

/** Returns the value of a key, which is compared without regard to case. */
function valueOf(metadata: ReadonlyMap<string, string>, key: string): string | undefined {
  for (const [name, value] of metadata) {
    if (name.toLowerCase() === key.toLowerCase()) return value;
  }
  return undefined;
}
