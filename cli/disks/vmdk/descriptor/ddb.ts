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

/** The digits of a `longContentID`: those in front of the CID, then the CID. */
const LONG_CONTENT_ID = /^([0-9a-f]{24})([0-9a-f]{8})$/i;

/** Whether the `longContentID` in `metadata` is not that of a disk with the content id `cid`. */
export function contradictsContentId(
  { metadata, cid }: { metadata: ReadonlyMap<string, string>; cid?: number },
): boolean {
  const found = valueOf(metadata, "longContentID");
  if (found === undefined || cid === undefined) return false;
  const digits = LONG_CONTENT_ID.exec(found)?.[2];
  return digits === undefined || parseInt(digits, 16) !== cid;
}

/**
 * Returns `metadata` with a `longContentID` that ends with `cid`. If it does not have the form of one, it is left
 * out. qemu-img changes the CID of a disk and not its `longContentID`; a restored disk would get the CID of older
 * content, to which older snapshots fit.
 */
export function withContentId(metadata: ReadonlyMap<string, string>, cid: number): Map<string, string> {
  const fitted = new Map<string, string>();
  for (const [key, value] of metadata) {
    const isLongId = key.toLowerCase() === "longcontentid";
    const digits = isLongId ? LONG_CONTENT_ID.exec(value)?.[1] : undefined;
    if (digits !== undefined) fitted.set(key, `${digits}${cid.toString(16).padStart(8, "0")}`);
    else if (!isLongId) fitted.set(key, value);
  }
  return fitted;
}

/**
 * Keys that refer to things outside the disk, in lower case: I/O filters of a host and their files, the parent of an
 * instant clone or of a disk on a virtual volume, the digest file of a read cache. The header keys of an encrypted
 * disk are in the metadata for their owner, and not part of a disk data base.
 */
const REFERENCE =
  /^(?:io-?filters?(?:\..*)?|sidecars?(?:\..*)?|nativeparent.*|objectparent.*|digestfilename|vmdkbkp\..*)$/;

/** Keys of VirtualBox that name a parent unless they are zero. */
const PARENT_UUID = /^uuid\.parent(?:modification)?$/;

/** Whether the key refers to something that is not restored with the disk. */
function isReference(key: string, value: string): boolean {
  const name = key.toLowerCase();
  return REFERENCE.test(name) || (PARENT_UUID.test(name) && /[1-9a-f]/i.test(value));
}

/**
 * Returns the keys of `metadata` that a disk of its own must not have, because they refer to things that are not
 * restored with it.
 */
export function referencesIn(metadata: ReadonlyMap<string, string>): string[] {
  return [...metadata].filter(([key, value]) => isReference(key, value)).map(([key]) => key);
}

/** Returns `metadata` without the keys of {@linkcode referencesIn}. */
export function withoutReferences(metadata: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...metadata].filter(([key, value]) => !isReference(key, value)));
}

/**
 * Returns the disk data base of a disk of its own: `metadata` without references to other things, with a
 * `longContentID` that fits `cid`, and with the keys that every disk needs.
 */
export function standingAlone(
  metadata: ReadonlyMap<string, string>,
  { cid, ...disk }: { capacityBytes: number; adapterType: number; cid: number },
): Map<string, string> {
  return withDefaults(withContentId(withoutReferences(metadata), cid), disk);
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
