/** All worlds by their names. */

import { Names } from "./content.ts";
import { makeMaterial } from "./material.ts";
import type { Scenario } from "./scenarios.ts";
import { type Material, World } from "./world.ts";

const EXISTS = " over files that exist";

/** What all worlds are made of. */
export async function loadMaterial(): Promise<Material> {
  const files = await makeMaterial();
  return { files, names: new Names(files) };
}

/** All worlds of scenarios by their names, each made when it is asked for. */
export function worldsOf(
  scenarios: Record<string, Scenario>,
  material: Material,
): Map<string, () => Promise<World>> {
  const worlds = new Map<string, () => Promise<World>>();
  for (const [name, scenario] of Object.entries(scenarios)) {
    if (scenario.replaces !== "disk") {
      worlds.set(name, () => World.make(name, scenario, { exists: false, material }));
    }
    worlds.set(`${name}${EXISTS}`, () => World.make(name, scenario, { exists: true, material }));
  }
  return worlds;
}
