/**
 * Decides what a file named as a VMDK is: one of the two kinds that can be opened, or one that is refused
 * with a hint.
 */

import { UsageError } from "../../errors.ts";
import { COMMENT_BYTES, detectKind, type FileKind, readsLikeDescriptor, SNIFF_BYTES } from "./detect.ts";
import type { ImageFile } from "../image_file.ts";
import { cannotOpen } from "../refusal.ts";
import { DESCRIPTOR_LIMIT_BYTES } from "./descriptor/descriptor.ts";

/** A file that holds only a descriptor, or a hosted sparse file with an embedded descriptor. */
export type VmdkKind = "descriptor" | "sparse";

/** Returns the kind of `image` by its first bytes. */
export function kindOf(image: ImageFile): FileKind | undefined {
  return detectKind(firstBytes(image, SNIFF_BYTES));
}

/**
 * Returns the kind of `image`, which is named as a VMDK. Other than {@linkcode kindOf} this recognises descriptors
 * with any first line.
 */
export function kindOfVmdk(image: ImageFile): FileKind | undefined {
  return kindOf(image) ?? (readsAsDescriptor(image) ? "descriptor" : undefined);
}

/** Whether `image` reads like a descriptor, whatever its first line. */
export function readsAsDescriptor(image: ImageFile): boolean {
  return readsLikeDescriptor(firstBytes(image, COMMENT_BYTES));
}

function firstBytes(image: ImageFile, lengthBytes: number): Uint8Array {
  const first = new Uint8Array(Math.min(lengthBytes, image.sizeBytes));
  image.read(first, 0);
  return first;
}

/** The names of files that a descriptor refers to: `X-flat.vmdk`, `X-s001.vmdk` and so on. */
const EXTENT_NAME = /-(?:flat|delta|sesparse|rdmp?|[sf]\d{3,})\.vmdk$/i;

/**
 * Returns the kind of a VMDK that can be opened. `hint` is added to the refusal of a file that is not one.
 * @throws {FormatError} or {@linkcode UsageError}, with the reason, if the file is not one
 */
export function requireVmdk(path: string, kind: FileKind | undefined, { hint = "" } = {}): VmdkKind {
  const descriptor = EXTENT_NAME.test(path)
    ? `the descriptor "${path.replace(EXTENT_NAME, ".vmdk")}"`
    : undefined;
  switch (kind) {
    case "descriptor":
    case "sparse":
      return kind;
    case "cowd":
    case "seSparse":
      throw new UsageError(
        `Cannot open disk "${path}": it is an extent of a ${
          kind === "cowd" ? "vmfsSparse" : kind
        } snapshot, ` +
          `open ${descriptor ?? "the descriptor that names it"} instead`,
      );
    case "changeTracking":
      throw new UsageError(
        `Cannot open disk "${path}": it is a change tracking file and holds no data of a disk`,
      );
    case "unfinished":
      throw cannotOpen(path, "its writer did not finish it", {
        offsetBytes: 0,
        expected: '"KDMV"',
        found: '"kdmv"',
      });
  }
  if (descriptor !== undefined) {
    throw new UsageError(`Cannot open disk "${path}": it is an extent, open ${descriptor} instead`);
  }
  throw cannotOpen(
    path,
    `it is called a VMDK, but begins neither like a descriptor nor like a sparse VMDK${hint}`,
    { offsetBytes: 0 },
  );
}

/**
 * Reads a file that holds only a descriptor.
 * @throws {FormatError} if it is too long for a descriptor
 */
export function readDescriptorFile(image: ImageFile): Uint8Array {
  if (image.sizeBytes > DESCRIPTOR_LIMIT_BYTES) {
    throw cannotOpen(
      image.path,
      `the descriptor has ${image.sizeBytes} bytes, at most ${DESCRIPTOR_LIMIT_BYTES} are accepted`,
    );
  }
  const text = new Uint8Array(image.sizeBytes);
  image.read(text, 0);
  return text;
}
