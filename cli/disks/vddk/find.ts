/** Where libvixDiskLib is installed. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";

/** A library that was found; not loaded. */
export interface FoundLibrary {
  /** The file, symbolic links resolved. */
  path: string;
  /** Of the file's name: `8.0.3`; the library itself does not tell. */
  version: string;
  /** Root of the unpacked tree. */
  libDir: string;
  /** The folder of the file, where the libraries lie that it brings along. */
  bundleDir: string;
}

/** Major versions by file name. */
const MAJORS = [9, 8, 7, 6];

/** Where people unpack it, the library's own installer first. */
export const USUAL_PLACES: readonly string[] = [
  "/usr/lib/vmware-vix-disklib",
  "/opt/vmware-vix-disklib-distrib",
  "/usr/local/lib/vmware-vix-disklib-distrib",
  "/usr/local/vmware-vix-disklib-distrib",
];

/** Names a folder as `--libdir` does, which overrides it. */
export const LIBDIR_VARIABLE = "VMDKBKP_LIBDIR";

/**
 * The library in `libDir`, which is the root of the unpacked tree, its `lib64`, or the library itself; undefined if there
 * is none.
 */
export function libraryIn(libDir: string): FoundLibrary | undefined {
  if (/^libvixDiskLib\.so/.test(basename(libDir))) return found(libDir);
  for (const folder of [join(libDir, "lib64"), libDir]) {
    for (const name of namesIn(folder)) {
      const library = found(join(folder, name));
      if (library !== undefined) return library;
    }
  }
  return undefined;
}

/** Files that are called as the library is, the newest version first; links may have been lost in copying. */
function namesIn(folder: string): string[] {
  const versions = new Map<string, number[]>();
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      const [, text] = /^libvixDiskLib\.so\.(\d+(?:\.\d+)*)$/.exec(name) ?? [];
      const numbers = text?.split(".").map(Number);
      if (numbers !== undefined && MAJORS.includes(numbers[0])) versions.set(name, numbers);
    }
  } catch {
    return [];
  }
  const parts = Math.max(0, ...[...versions.values()].map(({ length }) => length));
  const places = Array.from({ length: parts }, (_, i) => i);
  const compare = (a: number[], b: number[]) =>
    places.map((i) => (b[i] ?? Infinity) - (a[i] ?? Infinity)).find((difference) => difference) || 0;
  return [...versions].sort(([, a], [, b]) => compare(a, b)).map(([name]) => name);
}

/** The places to look at: the one that is named, or all usual ones. */
export function placesFor(libDir: string | undefined): readonly string[] {
  const named = libDir ?? libDirVariable();
  return named ? [named] : USUAL_PLACES;
}

/** What {@linkcode LIBDIR_VARIABLE} says, as far as it may be asked. */
export function libDirVariable(): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: LIBDIR_VARIABLE });
  return state === "granted" ? Deno.env.get(LIBDIR_VARIABLE) || undefined : undefined;
}

function found(path: string): FoundLibrary | undefined {
  let real: string;
  try {
    real = Deno.realPathSync(path);
  } catch {
    return undefined;
  }
  const version = /\.so\.(\d+(?:\.\d+)*)$/.exec(real)?.[1] ?? /\.so\.(\d+)/.exec(path)?.[1] ?? "unknown";
  const bundleDir = dirname(real);
  const libDir = basename(bundleDir) === "lib64" ? dirname(bundleDir) : bundleDir;
  return { path: real, version, libDir, bundleDir };
}
