/** What happens to files on their way through the years: flips, cuts, insertions, exchanges, deletions, new names. */

import { concat } from "../refusals/material.ts";
import { oneOf, type Random } from "../fuzz/subject.ts";
import { partsOf, type Scene } from "./scene.ts";

/** Damages a scene; returns what it did, or undefined where it can do nothing. */
type Damage = (scene: Scene, random: Random) => string | undefined;

/** Damages a scene in one to three ways; returns what was done. */
export function damageScene(scene: Scene, random: Random): string[] {
  const done: string[] = [];
  // Most often once: of several damages one hides the others.
  for (let left = 1 + random(2) * random(3); left > 0;) {
    const what = oneOf(random, oneOf(random, [KINDS, SUBTLE_KINDS]))(scene, random);
    if (what === undefined) continue;
    done.push(what);
    left--;
  }
  return done;
}

/** A file of chance, often the one in focus; seals less often than archives. */
function anyFile(scene: Scene, random: Random): string | undefined {
  if (scene.focusName !== undefined && random(3) === 0) return scene.focusName;
  const files = random(4) === 0 && scene.seals.length > 0 ? scene.seals : scene.archives;
  return files.length === 0 ? undefined : oneOf(random, files);
}

/** Two different files, most often of the same kind. */
function twoFiles(scene: Scene, random: Random): [string, string] | undefined {
  const name = anyFile(scene, random);
  if (name === undefined) return undefined;
  const kind = kindOf(name);
  const likes = scene.names.filter((other) => other !== name && kindOf(other) === kind);
  const others = likes.length > 0 && random(4) > 0 ? likes : scene.names.filter((other) => other !== name);
  return others.length === 0 ? undefined : [name, oneOf(random, others)];
}

function kindOf(name: string): string {
  return /\.(dump|rdiff|digest|seal)/.exec(name)?.[1] ?? "";
}

/** A damage of the bytes of one file as they lie there. */
function ofBytes(
  what: string,
  change: (bytes: Uint8Array<ArrayBuffer>, random: Random, scene: Scene) => Uint8Array | undefined,
): Damage {
  return (scene, random) => {
    const name = anyFile(scene, random);
    const bytes = name === undefined ? undefined : scene.read(name);
    if (name === undefined || bytes === undefined || bytes.length === 0) return undefined;
    const after = change(bytes, random, scene);
    if (after === undefined) return undefined;
    Deno.writeFileSync(scene.file(name), after);
    return `${what} ${name}`;
  };
}

/** A damage of what an archive holds, packed with right checksums. */
function ofContent(
  what: string,
  change: (content: Uint8Array, random: Random, scene: Scene) => Uint8Array | undefined,
): Damage {
  return (scene, random) => {
    const name = random(2) === 0 ? scene.focusName : oneOf(random, [...scene.archives, undefined]);
    if (name === undefined) return undefined;
    return scene.edit(name, (content) => change(content, random, scene)) ? `${what} ${name}` : undefined;
  };
}

/** A place anywhere, in the header, or near the end. */
function someAt(bytes: Uint8Array, random: Random): number {
  const at = oneOf(random, [random(bytes.length), random(200), bytes.length - 1 - random(40)]);
  return Math.max(0, Math.min(bytes.length - 1, at));
}

const KINDS: readonly Damage[] = [
  ofBytes("flip a bit of", (bytes, random) => {
    bytes[someAt(bytes, random)] ^= 1 << random(8);
    return bytes;
  }),
  ofBytes(
    "cut",
    (bytes, random) =>
      bytes.subarray(0, random(2) === 0 ? someAt(bytes, random) : bytes.length - 1 - random(20)),
  ),
  ofBytes("insert into", (bytes, random) => {
    const at = someAt(bytes, random);
    const some = bytes.slice(at, at + 1 + random(40));
    const what = random(2) === 0 ? some : Uint8Array.from({ length: 1 + random(8) }, () => random(256));
    return concat(bytes.subarray(0, at), what, bytes.subarray(at));
  }),
  ofBytes("append to", (bytes, random) => {
    const what = oneOf(random, [new Uint8Array(1 + random(600)), bytes, Uint8Array.of(random(256))]);
    return concat(bytes, what);
  }),
  ofBytes("remove a part of", (bytes, random) => {
    const at = someAt(bytes, random);
    return concat(bytes.subarray(0, at), bytes.subarray(at + 1 + random(600)));
  }),
  ofBytes("write zeros over a part of", (bytes, random) => {
    const at = someAt(bytes, random);
    return bytes.fill(0, at, at + 1 + random(600));
  }),
  ofBytes("write a part of another file over one of", (bytes, random, scene) => {
    const other = scene.read(oneOf(random, scene.names));
    const at = someAt(bytes, random);
    const part = other.subarray(at, at + 1 + random(600));
    bytes.set(part.subarray(0, bytes.length - at), at);
    return bytes;
  }),
  (scene, random) => {
    const two = twoFiles(scene, random);
    if (two === undefined) return undefined;
    const [a, b] = two.map((name) => scene.read(name));
    Deno.writeFileSync(scene.file(two[0]), b);
    Deno.writeFileSync(scene.file(two[1]), a);
    return `exchange ${two.join(" and ")}`;
  },
  (scene, random) => {
    const two = twoFiles(scene, random);
    if (two === undefined) return undefined;
    Deno.copyFileSync(scene.file(two[0]), scene.file(two[1]));
    return `copy ${two[0]} over ${two[1]}`;
  },
  (scene, random) => {
    const name = anyFile(scene, random);
    if (name === undefined) return undefined;
    Deno.removeSync(scene.file(name));
    return `remove ${name}`;
  },
  (scene, random) => {
    const name = anyFile(scene, random);
    if (name === undefined) return undefined;
    const gone = scene.world.files.map((file) => file.name).filter((other) => !scene.names.includes(other));
    const suffix = /\.(gz|zst)$/.exec(name)?.[0] ?? "";
    const to = gone.length > 0 && random(2) === 0
      ? oneOf(random, gone)
      : oneOf(random, [`renamed-${name}`, `elsewhere${random(10)}${suffix}`]);
    if (scene.names.includes(to)) return undefined;
    scene.rename(name, to);
    return `rename ${name} to ${to}`;
  },
  (scene, random) => {
    const name = anyFile(scene, random);
    const to = `copy-of-${name}`;
    if (name === undefined || scene.names.includes(to)) return undefined;
    Deno.copyFileSync(scene.file(name), scene.file(to));
    return `copy ${name} to ${to}`;
  },
  (scene, random) => {
    const { staleSeals } = scene.world;
    if (staleSeals.length === 0) return undefined;
    const { name, bytes } = oneOf(random, staleSeals);
    Deno.writeFileSync(scene.file(name), bytes);
    return `bring back an earlier ${name}`;
  },
  (scene, random) => {
    if (scene.archives.length === 0) return undefined;
    const name = oneOf(random, scene.archives);
    const plain = name.replace(/\.(gz|zst)$/, "");
    let content: Uint8Array | undefined;
    if (plain === name || scene.names.includes(plain)) return undefined;
    scene.edit(name, (bytes) => void (content = bytes));
    if (content === undefined) return undefined;
    scene.rename(name, plain);
    Deno.writeFileSync(scene.file(plain), content);
    return `decompress ${name}`;
  },
];

/** Damages that leave checksums right, and most often the form of the archive. */
const SUBTLE_KINDS: readonly Damage[] = [
  ofContent("flip a bit of what is in", (content, random) => {
    content[someAt(content, random)] ^= 1 << random(8);
    return content;
  }),
  ofContent("change a digit or letter in the header of", (content, random) => {
    const length = partsOf(content)?.header.length ?? 0;
    const places = [...content.subarray(0, length).keys()].filter((i) => isWordByte(content[i]));
    return places.length === 0 ? undefined : withOtherLetter(content, oneOf(random, places));
  }),
  ofContent("change a digit or letter in the metadata of", (content, random) => {
    const length = partsOf(content)?.header.length ?? 0;
    // The metadata of the worlds take so many bytes at the end of the header.
    const places = [...content.subarray(0, length).keys()].filter((i) => isWordByte(content[i])).slice(-40);
    return places.length === 0 ? undefined : withOtherLetter(content, oneOf(random, places));
  }),
  ofContent("leave out a record of", (content, random) => {
    const parts = partsOf(content);
    if (parts === undefined || parts.records.length === 0) return undefined;
    const at = random(2) === 0 ? parts.records.length - 1 : random(parts.records.length);
    return concat(parts.header, ...parts.records.toSpliced(at, 1));
  }),
  ofContent("exchange the contents of two records of", (content, random) => {
    const parts = partsOf(content);
    if (parts === undefined || parts.records.length < 2) return undefined;
    const [a, b] = [random(parts.records.length), random(parts.records.length)];
    const [x, y] = [parts.records[a], parts.records[b]];
    // Blocks, or MD5s.
    const length = x.length > 512 ? 512 : 16;
    if (a === b || x.length !== y.length || x.length < length) return undefined;
    const swapped = (one: Uint8Array, other: Uint8Array) =>
      concat(one.subarray(0, -length), other.subarray(-length));
    const records = parts.records.with(a, swapped(x, y)).with(b, swapped(y, x));
    return concat(parts.header, ...records);
  }),
  ofContent("give the header of another archive to", (content, random, scene) => {
    const parts = partsOf(content);
    let other: Uint8Array | undefined;
    scene.edit(oneOf(random, scene.archives), (bytes) => void (other = bytes));
    const header = other && partsOf(other)?.header;
    return parts && header && concat(header, ...parts.records);
  }),
  ofContent("take records of another archive into", (content, random, scene) => {
    const parts = partsOf(content);
    let other: Uint8Array | undefined;
    scene.edit(oneOf(random, scene.archives), (bytes) => void (other = bytes));
    const records = other && partsOf(other)?.records;
    return parts && records && concat(parts.header, ...records);
  }),
];

/** The next digit, or letter. */
function withOtherLetter(content: Uint8Array, at: number): Uint8Array {
  const base = content[at] < 0x3a ? 0x30 : 0x61;
  content[at] = base + (content[at] - base + 1) % 10;
  return content;
}

function isWordByte(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x7a);
}
