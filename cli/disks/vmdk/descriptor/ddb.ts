/** The disk data base of a VMDK: its keys that we know, and what a new disk must say. */

import { SECTOR_BYTES } from "../../../sector.ts";
import { ADAPTER } from "../../disk.ts";

const ADAPTER_NAMES: readonly (readonly [number, string])[] = [
  [ADAPTER.ide, "ide"],
  [ADAPTER.busLogic, "buslogic"],
  [ADAPTER.lsiLogic, "lsilogic"],
  [ADAPTER.unknown, "legacyESX"],
];

/** The number of `adapterType`: `lsilogic` → 3; 256 for `legacyESX`, unknown names and none. */
export function adapterTypeOf(metadata: ReadonlyMap<string, string>): number {
  const wanted = valueOf(metadata, "adapterType")?.toLowerCase();
  return ADAPTER_NAMES.find(([, name]) => name.toLowerCase() === wanted)?.[0] ?? ADAPTER.unknown;
}

/**
 * `metadata`, and what a new disk needs beyond it: adapter, geometry and hardware version.
 *
 * 16 heads and 63 sectors for IDE, which ends at 16383 cylinders, 255 and 63 for all others; cylinders are rounded down
 * as VMware does (83886080 sectors / 255 / 63 → 5221). The geometry is one thing: if `metadata` has a part of it,
 * nothing is added, so that two sources do not mix.
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

/** What only the link itself can say: its last digits are the CID of that link. */
const NOT_INHERITED = "longcontentid";

/** The data base of a disk by those of its links, the top one first: a child inherits what it does not say. */
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

/** 0xffffffff means no disk, and 0xfffffffe is what VMware gives disks that were never written. */
const RESERVED_CID = 0xfffffffe;

/** The last eight digits of `longContentID` equal the CID, so a disk that comes back with it keeps its CID too. */
export function cidOf(metadata: ReadonlyMap<string, string>): number | undefined {
  const digits = valueOf(metadata, "longContentID")?.match(/^[0-9a-f]{24}([0-9a-f]{8})$/i)?.[1];
  const cid = digits === undefined ? RESERVED_CID : parseInt(digits, 16);
  return cid < RESERVED_CID ? cid : undefined;
}

/** A content id by chance. */
export function drawCid(): number {
  for (;;) {
    const [cid] = crypto.getRandomValues(new Uint32Array(1));
    if (cid < RESERVED_CID) return cid;
  }
}

/** Keys count in any case. */
function valueOf(metadata: ReadonlyMap<string, string>, key: string): string | undefined {
  for (const [name, value] of metadata) {
    if (name.toLowerCase() === key.toLowerCase()) return value;
  }
  return undefined;
}
