/** Loads native libraries; `Deno.dlopen` is used only here. */

/**
 * Loads the library at `path`. Fails if it lacks a symbol that is not `optional`.
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
