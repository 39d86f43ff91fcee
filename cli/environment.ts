/** Settings of the environment. */

/** The value of a variable; undefined as well where Deno may not read it, which is never asked for. */
export function variableOf(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}
