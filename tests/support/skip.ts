/** Tests that need programs or files which not every machine has. */

/** The environment variable that CI sets so that no test is skipped: a test whose needs are missing fails. */
const NO_SKIP = "VMDKBKP_NO_SKIP";

/**
 * Registers a test. The test is skipped if something that it needs is missing; its name then says what.
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
