/** The unit of disks. */

/**
 * Bytes of a sector: the unit in which VMDKs, VMware's disk library and the archives count. It is the same for
 * disks whose guests see sectors of 4 KiB (VMware's technical note "Virtual Disk Format 5.0").
 */
export const SECTOR_BYTES = 512;
