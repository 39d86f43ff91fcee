/** Where native libraries are loaded: the one place of `Deno.dlopen`. */

/**
 * Loads the library at `path`; what it does not have and is not `optional` makes this fail.
 *
 * @throws {Deno.errors.NotCapable} without `--allow-ffi`
 * @throws {Error} if the system does not load it
 */
export function openLibrary<const Symbols extends Deno.ForeignLibraryInterface>(
  path: string,
  symbols: Symbols,
): Deno.DynamicLibrary<Symbols> {
  return Deno.dlopen(path, symbols);
}
