import { assertEquals } from "@std/assert";
import { VERSION } from "../cli/version.ts";

const ROOT = new URL("..", import.meta.url);

/** Which room may import from which; `cli/errors.ts` is everybody's. */
const ARROWS: Record<string, string[]> = {
  "cli/archive": ["cli/archive"],
  "cli/core": ["cli/core"],
  "cli/disks": ["cli/disks", "ffi"],
  "cli/files": ["cli/files"],
  "cli/pipeline": ["cli/pipeline", "cli/archive", "cli/disks/disk.ts", "cli/core.ts"],
  "cli/commands": [
    "cli/commands",
    "cli/pipeline",
    "cli/archive",
    "cli/disks",
    "cli/files",
    "cli/core.ts",
    "cli/version.ts",
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
/** The files that use something outside comments. */
const usersOf = (pattern: RegExp) =>
  program.filter(({ text }) => pattern.test(text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ""))).map((
    { name },
  ) => name);

Deno.test("Deno.dlopen, WebAssembly and Deno.exit each appear in one file", () => {
  assertEquals(usersOf(/Deno\.dlopen\b/), ["ffi/libc.ts"]);
  assertEquals(usersOf(/\bWebAssembly\./), ["cli/core/instance.ts"]);
  assertEquals(usersOf(/Deno\.exit\(/), ["cli/main.ts"]);
});

Deno.test("no arrow between the rooms points back", () => {
  const wrong: string[] = [];
  for (const { name, text } of program) {
    const room = Object.keys(ARROWS).find((room) => name.startsWith(`${room}/`));
    if (room === undefined) continue;
    for (const [, specifier] of text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
      const target = new URL(specifier, new URL(name, ROOT)).pathname.slice(ROOT.pathname.length);
      const allowed = target === "cli/errors.ts" || ARROWS[room].some((prefix) => target.startsWith(prefix));
      if (!allowed) wrong.push(`${name} -> ${target}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("the version is the one of deno.json", () => {
  assertEquals(JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT))).version, VERSION);
});
