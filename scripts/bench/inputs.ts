/** Files that lines read: made when a line asks for them, once, and not measured. */

import { join } from "@std/path/posix/join";
import { remove } from "./folder.ts";
import { run } from "./process.ts";

/** How files are made. */
export interface Recipe {
  makes: string[];
  reads?: string[];
  /** Either a command or something to do in the folder. */
  command?: string[];
  make?: (folder: string) => void;
  /** What it leaves and nobody needs. */
  leaves?: string[];
}

/** Makes the files and all that they are made of, each once. */
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
