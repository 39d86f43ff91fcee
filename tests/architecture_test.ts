import { assert, assertEquals } from "@std/assert";
import { VERSION } from "../cli/version.ts";

const ROOT = new URL("..", import.meta.url);

/** Everybody's: they know of no room. */
const EVERYBODYS = [
  "cli/environment.ts",
  "cli/errors.ts",
  "cli/fnv1a.ts",
  "cli/pace.ts",
  "cli/printable.ts",
  "cli/sector.ts",
  "cli/settle_all.ts",
];

/** Which room may import from which, beside those. */
const ARROWS: Record<string, string[]> = {
  "cli/archive": ["cli/archive", "cli/files/positioned.ts", "cli/files/system_errors.ts"],
  "cli/core": ["cli/core"],
  "cli/disks": [
    "cli/disks",
    "cli/files/positioned.ts",
    "cli/files/sync_folder.ts",
    "cli/files/system_errors.ts",
    // Deflate, which knows nothing of archives.
    "cli/archive/zlib_engine.ts",
    "cli/archive/incompressible.ts",
    "ffi",
  ],
  "cli/files": ["cli/files", "ffi"],
  "cli/vsphere": [
    "cli/vsphere",
    "cli/disks/disk.ts",
    // Formats and small helpers, which know nothing of files.
    "cli/disks/vmdk/descriptor/ddb.ts",
    "cli/disks/vddk/scrub.ts",
    "cli/archive/bitmap.ts",
    "cli/archive/zlib_engine.ts",
  ],
  "cli/workers": [
    "cli/workers",
    "cli/archive/bytes.ts",
    "cli/archive/codecs.ts",
    "cli/archive/sha256.ts",
    "cli/core.ts",
    "cli/disks/vmdk/create/grain_pack.ts",
  ],
  "cli/options": ["cli/options"],
  "cli/pipeline": ["cli/pipeline", "cli/workers", "cli/archive", "cli/disks/disk.ts", "cli/core.ts"],
  "cli/repository": ["cli/repository", "cli/archive"],
  "cli/damage": ["cli/damage", "cli/pipeline", "cli/workers", "cli/archive", "cli/core.ts"],
  "cli/jobs": [
    "cli/jobs",
    "cli/repository",
    "cli/damage",
    "cli/pipeline",
    "cli/workers",
    "cli/archive",
    "cli/disks",
    "cli/vsphere",
    "cli/files",
    "cli/core.ts",
    "cli/version.ts",
    "ffi/large_pages.ts",
  ],
  "cli/commands": [
    "cli/commands",
    "cli/options",
    "cli/jobs",
    "cli/repository",
    "cli/damage",
    "cli/pipeline",
    "cli/archive",
    "cli/disks",
    "cli/files",
    "cli/vsphere",
  ],
  "ffi": ["ffi"],
};

function sources(folder: string): { name: string; text: string }[] {
  const found: { name: string; text: string }[] = [];
  for (const entry of Deno.readDirSync(new URL(folder + "/", ROOT))) {
    const name = `${folder}/${entry.name}`;
    if (entry.isDirectory) found.push(...sources(name));
    else if (name.endsWith(".ts")) found.push({ name, text: Deno.readTextFileSync(new URL(name, ROOT)) });
  }
  return found;
}

const program = [...sources("cli"), ...sources("ffi")];
const withoutComments = (text: string) => text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
/** The files that use something outside comments. */
const usersOf = (pattern: RegExp) =>
  program.filter(({ text }) => pattern.test(withoutComments(text))).map(({ name }) => name);

Deno.test("Deno.dlopen, WebAssembly and Deno.exit each appear in one file", () => {
  assertEquals(usersOf(/Deno\.dlopen\b/), ["ffi/open_library.ts"]);
  assertEquals(usersOf(/\bWebAssembly\./), ["cli/core/instance.ts"]);
  assertEquals(usersOf(/Deno\.exit\(/), ["cli/main.ts"]);
});

Deno.test("the formats, the pipeline, the options and the core use Deno for types and errors alone", () => {
  const free = ["archive", "core", "damage", "options", "pipeline", "repository"].map((room) =>
    `cli/${room}`
  );
  const users = usersOf(/\bDeno\.(?!errors\b|FsFile\b|FileInfo\b|SeekMode\b)/);
  assertEquals(users.filter((name) => free.some((room) => name.startsWith(room))), []);
});

Deno.test("commands are thin: what opens something lies in the rooms below", () => {
  const most: Record<string, number> = {
    "cli/commands": 3000,
    "cli/commands/repository": 1000,
    "cli/commands/server": 500,
  };
  const lines = new Map<string, number>();
  for (const { name, text } of program.filter(({ name }) => name.startsWith("cli/commands/"))) {
    const folder = name.slice(0, name.lastIndexOf("/"));
    lines.set(folder, (lines.get(folder) ?? 0) + text.split("\n").length - 1);
  }
  for (const [folder, count] of lines) assert(count <= most[folder], `${folder} has ${count} lines`);
  assertEquals([...lines.keys()].sort(), Object.keys(most));
});

Deno.test("one function tells which files are hidden", () => {
  assertEquals(usersOf(/\bstartsWith\("\."\)/), ["cli/files/hidden_names.ts"]);
});

Deno.test("no arrow between the rooms points back", () => {
  const wrong: string[] = [];
  for (const { name, text } of program) {
    const room = Object.keys(ARROWS).find((room) => name.startsWith(`${room}/`));
    if (room === undefined && !EVERYBODYS.includes(name)) continue;
    const arrows = room === undefined ? [] : ARROWS[room];
    for (const [, specifier] of text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
      const target = new URL(specifier, new URL(name, ROOT)).pathname.slice(ROOT.pathname.length);
      const allowed = EVERYBODYS.includes(target) || arrows.some((prefix) => target.startsWith(prefix));
      if (!allowed) wrong.push(`${name} -> ${target}`);
    }
  }
  assertEquals(wrong, []);
});

/** Returns the groups of two or more files that import each other in a cycle, `import type` included (Tarjan 1972). */
function cyclesOf(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const groups: string[][] = [];
  const index = new Map<string, number>();
  const stack: string[] = [];
  const visit = (name: string): number => {
    const own = index.size;
    index.set(name, own);
    stack.push(name);
    let lowest = own;
    for (const target of imports.get(name) ?? []) {
      if (!index.has(target)) lowest = Math.min(lowest, visit(target));
      else if (stack.includes(target)) lowest = Math.min(lowest, index.get(target)!);
    }
    if (lowest === own) {
      const group = stack.splice(stack.indexOf(name));
      if (group.length > 1 || imports.get(name)?.includes(name)) groups.push(group.toSorted());
    }
    return lowest;
  };
  for (const name of imports.keys()) if (!index.has(name)) visit(name);
  return groups.toSorted();
}

Deno.test("cyclesOf() finds each group of files that import each other, and no file beside a cycle", () => {
  const imports = { a: ["b"], b: ["c", "d"], c: ["b"], d: [], e: ["e"], f: ["g"], g: ["h"], h: ["f", "a"] };
  assertEquals(cyclesOf(new Map(Object.entries(imports))), [["b", "c"], ["e"], ["f", "g", "h"]]);
});

Deno.test("no files of the program import each other in a cycle", () => {
  const imports = new Map(program.map(({ name, text }) => [
    name,
    [...withoutComments(text).matchAll(/(?:from|import|import\()\s*"(\.[^"]+)"/g)].map(([, specifier]) =>
      new URL(specifier, new URL(name, ROOT)).pathname.slice(ROOT.pathname.length)
    ),
  ]));
  assert([...imports.values()].flat().length > 1000, "the imports are not found");
  assertEquals(cyclesOf(imports), []);
});

/** The files and packages that `name` loads with itself, `import()` not counted. */
function loadedWith(name: string, found: Set<string> = new Set()): Set<string> {
  if (found.has(name)) return found;
  found.add(name);
  const text = program.find((source) => source.name === name)?.text ?? "";
  for (const [statement, specifier] of text.matchAll(/^(?:import|export)\b[^"';]*\bfrom "([^"]+)";$/gm)) {
    if (/^(import|export) type\b/.test(statement)) continue;
    if (!specifier.startsWith(".")) found.add(specifier);
    else loadedWith(new URL(specifier, new URL(name, ROOT)).pathname.slice(ROOT.pathname.length), found);
  }
  return found;
}

Deno.test("a command loads nothing slow before it knows that it needs it", () => {
  const commands = program.map(({ name }) => name).filter((name) => name.startsWith("cli/commands/"));
  const packages = ["cli/main.ts", ...commands].flatMap((name) => [...loadedWith(name)])
    .filter((name) => !name.endsWith(".ts"));
  // Of the paths only POSIX ones: the others ask for `process.platform`, which takes Deno 2.9 some 50 ms.
  const quick = /^@std\/path\/posix\/[a-z-]+$/;
  assertEquals(packages.filter((name) => !quick.test(name)), []);
  assert(packages.length > commands.length, "the imports are not found");
});

Deno.test("no command loads the help, the suggestions or the completion of shells before they are asked for", () => {
  const commands = program.map(({ name }) => name).filter((name) => name.startsWith("cli/commands/"));
  const loaded = new Set(["cli/main.ts", ...commands].flatMap((name) => [...loadedWith(name)]));
  const rare = program.map(({ name }) => name).filter((name) =>
    /^cli\/options\/(help|suggestion|groups|completion\/.*)\.ts$/.test(name)
  );
  assert(rare.length > 5, "the files are not found");
  assertEquals(rare.filter((name) => loaded.has(name)), []);
});

Deno.test("the version is the one of deno.json", () => {
  assertEquals(JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT))).version, VERSION);
});
