/** Finds the installed libvixDiskLib. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";

/** A library that was found and is not loaded. */
export interface FoundLibrary {
  /** The file, with symbolic links resolved. */
  path: string;
  /** The version in the file's name, `8.0.3`. The library has no function that returns it. */
  version: string;
  /** The root of the unpacked tree. */
  libDir: string;
  /** The folder of the file, which also contains the bundled libraries. */
  bundleDir: string;
}

/** The major versions in file names. */
const MAJORS = [9, 8, 7, 6];

/** The folders in which the library is usually unpacked, that of its own installer first. */
export const USUAL_PLACES: readonly string[] = [
  "/usr/lib/vmware-vix-disklib",
  "/opt/vmware-vix-disklib-distrib",
  "/usr/local/lib/vmware-vix-disklib-distrib",
  "/usr/local/vmware-vix-disklib-distrib",
];

/** The environment variable that names a folder like `--libdir`, which overrides it. */
export const LIBDIR_VARIABLE = "VMDKBKP_LIBDIR";

/**
 * Returns the library in `libDir`, which is the root of the unpacked tree, its `lib64`, or the library
 * itself; undefined if there is none.
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

/**
 * Returns the names of the library's files in a folder, the newest version first. The links may have been
 * lost in copying.
 */
function namesIn(folder: string): string[] {
  const versions = new Map<string, number[]>();
  let hasPlainName = false;
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      const [, text] = /^libvixDiskLib\.so\.(\d+(?:\.\d+)*)$/.exec(name) ?? [];
      hasPlainName ||= name === "libvixDiskLib.so";
      const numbers = text?.split(".").map(Number);
      if (numbers !== undefined && MAJORS.includes(numbers[0])) versions.set(name, numbers);
    }
  } catch {
    return [];
  }
  // A replacement may have no version in its name.
  if (versions.size === 0 && hasPlainName) return ["libvixDiskLib.so"];
  const parts = Math.max(0, ...[...versions.values()].map(({ length }) => length));
  const places = Array.from({ length: parts }, (_, i) => i);
  const compare = (a: number[], b: number[]) =>
    places.map((i) => (b[i] ?? Infinity) - (a[i] ?? Infinity)).find((difference) => difference) || 0;
  return [...versions].sort(([, a], [, b]) => compare(a, b)).map(([name]) => name);
}

/** Returns the folders to search: the named one, or all usual ones. */
export function placesFor(libDir: string | undefined): readonly string[] {
  const named = libDir ?? libDirVariable();
  return named ? [named] : USUAL_PLACES;
}

/** Returns the value of {@linkcode LIBDIR_VARIABLE}, if there is the permission to read it. */
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

/** Returns the permissions that the library lacks, as options of Deno. Lists of names do not do: see docs/permissions.md. */
export function deniedFlags(): string[] {
  const needed = ["ffi", "run", "env"] as const;
  const denied = needed.filter((name) => Deno.permissions.querySync({ name }).state !== "granted");
  return denied.map((name) => `--allow-${name}`);
}
