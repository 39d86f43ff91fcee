/** The headings under which help and manual show options, in this order. */

/** Titles by the names of the groups. A command has those of which it has options. */
export const GROUPS = {
  main: "Options",
  repository: "Machines of a repository",
  audit: "Proof of the bitmap",
  more: "Special cases",
  seals: "Seals and keys",
  server: "Disks of a server (with --remote)",
  account: "A server and an account on it",
  library: "Transfers, and VMware's disk library (with --remote or --libdir)",
  general: "Options of every command",
} as const;

/** The name of a group. */
export type OptionGroup = keyof typeof GROUPS;

/** Options, or what else has a group, under the titles of their groups; groups without any are left out. */
export function inGroups<T>(
  items: readonly T[],
  groupOf: (item: T) => OptionGroup | undefined,
): { title: string; items: T[] }[] {
  return (Object.keys(GROUPS) as OptionGroup[])
    .map((group) => ({
      title: GROUPS[group],
      items: items.filter((item) => (groupOf(item) ?? "main") === group),
    }))
    .filter(({ items }) => items.length > 0);
}
