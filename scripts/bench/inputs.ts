/** The input files of rows. They are made once, if a row needs them, and making them is not measured. */

import { join } from "@std/path/posix/join";
import { remove } from "./folder.ts";
import { run } from "./process.ts";

/**
 * How files are made: by a command or by a function. Files are named relative to the folder of the section.
 */
export interface Recipe {
  /** The files that are made. */
  makes: string[];
  /** Other files that are needed for this. */
  reads?: string[];
  /** The command that makes the files. */
  command?: string[];
  /** The function that makes the files. */
  make?: (folder: string) => void;
  /** Files that the command makes as well, and that are removed. */
  leaves?: string[];
}

/** Makes files, and first the files that they are made from, each once. */
export async function makeInputs(
  names: string[],
  { folder, recipes, progress }: { folder: string; recipes: Recipe[]; progress: (text: string) => void },
): Promise<void> {
  const made = new Set<Recipe>();
  const make = async (name: string): Promise<void> => {
    const recipe = recipes.find(({ makes }) => makes.includes(name));
    if (recipe === undefined) throw new RangeError(`Cannot make "${name}": no recipe makes it`);
    if (made.has(recipe)) return;
    made.add(recipe);
    for (const input of recipe.reads ?? []) await make(input);
    progress(`making ${recipe.makes.join(", ")}`);
    recipe.make?.(folder);
    if (recipe.command) await run(recipe.command, { cwd: folder });
    for (const file of recipe.leaves ?? []) remove(join(folder, file));
  };
  for (const name of names) await make(name);
}
