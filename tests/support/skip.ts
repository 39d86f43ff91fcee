/** Tests that need what not every machine has. */

/** Set where everything must be there: then nothing is skipped, and what is missing is a failure. */
const NO_SKIP = "VMDKBKP_NO_SKIP";

/**
 * Registers a test that runs unless something is `missing`; what that is stands behind its name.
 *
 * @example
 * ```ts
 * testWith({ missing: hasFolder ? undefined : "the folder is not there" }, "merge() ...", () => {});
 * ```
 */
export function testWith(
  { missing }: { missing: string | undefined },
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
): void {
  if (missing === undefined) Deno.test({ name, fn });
  else if (Deno.env.get(NO_SKIP)) Deno.test({ name, fn: () => fail(missing) });
  else Deno.test({ name: `${name} (skipped: ${missing})`, ignore: true, fn: () => {} });
}

function fail(missing: string): never {
  throw new Error(`Cannot run the test: ${missing}, and ${NO_SKIP} is set`);
}
