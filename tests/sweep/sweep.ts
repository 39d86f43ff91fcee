/**
 * Sweeps over damaged folders: no command ends with exit code 0 and a wrong result that the report does not call unproved.
 * The number of a case makes its world, its damage and its commands.
 */

import { assert, assertEquals } from "@std/assert";
import { seeded } from "../disks/helpers.ts";
import { oneOf } from "../fuzz/subject.ts";
import { damageScene } from "./damage.ts";
import { Judge, type Tally } from "./judge.ts";
import { dumpOnTop, makeDigest, makeRdiff, makeSeal, mergeToDump, mergeToRdiff, salvage } from "./making.ts";
import {
  checkFolder,
  checkFolderQuickly,
  checkLists,
  restoreAll,
  restoreRdiffs,
  restoreWrongList,
} from "./reading.ts";
import { Scene } from "./scene.ts";
import { type Sealing, World } from "./world.ts";

/** Cases in a row that damage the same world. */
const CASES_PER_WORLD = 10;
/** Of every so many cases one has no damage: then everything is right, and proved as far as its seals go. */
const INTACT_EVERY = 25;

/** Commands, of which each case runs some. */
const MAKING = [mergeToDump, mergeToRdiff, makeRdiff, makeDigest, dumpOnTop, makeSeal, salvage];

/** Which cases are run, and in what worlds. */
export interface Plan {
  /** Number of the first case. */
  first: number;
  cases: number;
  sealings: readonly Sealing[];
}

/** What the cases came to. */
export interface Swept {
  tally: Tally;
  /** Of each case that is wrong: its number, the damage, the command, and what is wrong. */
  faults: string[];
}

/** Runs the cases; one that is wrong does not end the others. */
export async function sweep({ first, cases, sealings }: Plan): Promise<Swept> {
  const tally: Tally = { right: 0, unproved: 0, refused: 0 };
  const faults: string[] = [];
  let world: World | undefined;
  try {
    for (let number = first; number < first + cases; number++) {
      const seed = Math.floor(number / CASES_PER_WORLD);
      if (world?.seed !== seed) {
        world?.[Symbol.dispose]();
        world = await World.make(seed, sealings[seed % sealings.length]);
      }
      try {
        await oneCase(world, { number, tally });
      } catch (error) {
        faults.push((error as Error).message);
      }
    }
    return { tally, faults };
  } finally {
    world?.[Symbol.dispose]();
  }
}

/** Runs many cases, and prints what they came to. @throws {Error} with all faults */
export async function sweepMany(plan: Plan): Promise<void> {
  const { tally: { right, unproved, refused }, faults } = await sweep(plan);
  console.log(`${plan.cases} folders: ${right} results right, ${unproved} unproved, ${refused} refused`);
  assertEquals(faults, []);
  assert(right > plan.cases && unproved > plan.cases && refused > plan.cases);
}

/** @throws {Error} for the first command that is wrong */
async function oneCase(world: World, { number, tally }: { number: number; tally: Tally }): Promise<void> {
  const random = seeded(Math.imul(number + 1, 0x85ebca6b));
  using scene = new Scene(world);
  scene.focus = oneOf(random, world.files);
  const damage = number % INTACT_EVERY === 0 ? [] : damageScene(scene, random);
  const judge = new Judge(scene, { name: `case ${number} (${world.sealing})`, damage, tally });
  await checkFolder(judge);
  await checkFolderQuickly(judge);
  await restoreAll(judge, random);
  await restoreRdiffs(judge, random);
  await restoreWrongList(judge, random);
  await checkLists(judge, random);
  const making = [...MAKING];
  for (let left = 3; left > 0; left--) {
    const [command] = making.splice(random(making.length), 1);
    await command(judge, random);
  }
  await checkFolder(judge);
}
