/**
 * Writes the manual pages to `build/man`: `vmdkbkp.1`, and one for each command. Their date is today, or that of
 * SOURCE_DATE_EPOCH (reproducible-builds.org), in seconds since 1970.
 */

import { COMMANDS } from "../cli/commands/all.ts";
import { loadAll } from "../cli/commands/command_entry.ts";
import { commandPage, overviewPage } from "./man/pages.ts";

/** The pages by the names of their files. `date` is a day like 2026-11-30. */
export async function manualPages(date: string): Promise<Map<string, string>> {
  const entries = await loadAll(COMMANDS);
  const pages = new Map([["vmdkbkp.1", overviewPage(entries, date)]]);
  for (const entry of entries) pages.set(`vmdkbkp-${entry.command.name}.1`, commandPage(entry, date));
  return pages;
}

if (import.meta.main) {
  const folder = new URL("../build/man/", import.meta.url);
  await Deno.mkdir(folder, { recursive: true });
  const epoch = Deno.env.get("SOURCE_DATE_EPOCH");
  const time = epoch === undefined ? new Date() : new Date(Number(epoch) * 1000);
  const pages = await manualPages(time.toISOString().slice(0, 10));
  for (const [name, text] of pages) await Deno.writeTextFile(new URL(name, folder), text);
  console.error(`Wrote ${pages.size} manual pages to build/man: man -l build/man/vmdkbkp.1`);
}
