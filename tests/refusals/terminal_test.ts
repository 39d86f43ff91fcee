/** Names and contents that would move the cursor, forge a line of a report or hide what follows. */

import { assert, assertEquals } from "@std/assert";
import { jsonText, printable } from "../../cli/printable.ts";
import { concat, dumpRecord, GENERATIONS, token } from "./material.ts";
import { Archives } from "./refusal.ts";

/** A line of its own, colours, a C1 introducer, a turn of direction. */
const HOSTILE = "x\nCheck: OK\r\x1b[2J\u009b31m\u202ey\u2028z";
const NAME = HOSTILE.replaceAll("/", "");

const OBEYED = /(?!\n)[\p{Cc}\u2028\u202a-\u202e]/u;

/** A dump whose metadata, and a header that nothing can read whose text, are hostile. */
function archivesOf(): Archives {
  const [first] = GENERATIONS;
  const header = concat(
    ...[6, 512, 3, 1, 16].map(token),
    new Uint8Array(16).fill(7),
    ...[1, 0, 12, 30, 5, 113, 0, 180, 1, 1].map(token),
    token(HOSTILE),
    token(HOSTILE),
  );
  const records = first.blocks.map((block, i) => dumpRecord(i, block));
  return new Archives({
    [`${NAME}.dump`]: concat(header, ...records),
    [`${NAME}.bad.dump`]: concat(header, ...records.slice(0, 2), token(HOSTILE), token(1)),
    [`${NAME}.digest`]: new TextEncoder().encode(`6\x00${HOSTILE}\x00`),
    [`${NAME}.seal.json`]: new TextEncoder().encode(`{"vmdkbkpSeal": "${HOSTILE}"`),
    [`${NAME}.vmdk`]: new TextEncoder().encode(`# Disk DescriptorFile\nversion=1\n${HOSTILE}\n`),
  });
}

Deno.test("no command prints a character of a file or a name that a terminal would obey", async () => {
  using archives = archivesOf();
  const [dump, bad, digest, disk] = ["dump", "bad.dump", "digest", "vmdk"].map((end) => `${NAME}.${end}`);
  const lines: string[][] = [
    ["print", dump],
    ["print", "--json", dump],
    ["print", bad],
    ["check", archives.path],
    ["check", "--json", archives.path],
    ["check", "--digestin", "g0.digest", dump],
    ["check", "--digestin", digest, dump],
    ["check", bad],
    ["check", "--json", bad],
    ["restore", "--create", "--without-seal", "--local", `${NAME}.raw`, dump],
    ["restore", "--create", "--local", `${NAME}.missing/a.raw`, dump],
    ["merge", "--dumpout", `${NAME}.new.dump`, dump, bad],
    ["salvage", "--unproved", "--dumpout", `${NAME}.saved.dump`, bad],
    ["salvage", "--digestin", digest, "--dumpout", `${NAME}.saved.dump`, bad, dump],
    ["digest", "--dumpin", dump, "--digestout", `${NAME}.new.digest`],
    ["map", disk],
    ["dump", "--mode", "full", "--local", disk, "--dumpout", `${NAME}.o.dump`, "--digestout", "o.digest"],
    ["dump", "--mode", HOSTILE],
    [HOSTILE],
  ];
  for (const words of lines) {
    const args = words.map((word) => /\.[a-z]+$/.test(word) ? archives.file(word) : word);
    const { stdout, stderr } = await archives.call(args);
    const text = `${stdout}\n${stderr}`;
    assertEquals(OBEYED.exec(text)?.[0], undefined, `${words}: ${printable(text)}`);
    const verdicts = text.split("\n").filter((line) => line.startsWith("Check: "));
    assert(verdicts.length <= 1, `${words}: ${verdicts}`);
    assert(!verdicts.includes("Check: OK"), `${words}: ${printable(text)}`);
  }
});

Deno.test("printable() and jsonText() leave nothing that is obeyed, and lose nothing", () => {
  const all = Array.from({ length: 0x2100 }, (_, i) => String.fromCharCode(i)).join("");
  assertEquals(OBEYED.test(printable(all)), false);
  assertEquals(OBEYED.test(jsonText(all)), false);
  assertEquals(JSON.parse(jsonText({ all })).all, all);
  assertEquals(printable("Überraschung 漢字 🙂"), "Überraschung 漢字 🙂");
});
