/** Jobs print nothing, and need no more permissions than docs/library.md says. */

import { assertEquals } from "@std/assert";
import * as library from "../../cli/mod.ts";
import { Folder, noise } from "../disks/helpers.ts";
import { writePageDisks } from "../docs/page_disks.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PROGRAM = `${ROOT}tests/library/program.ts`;

/** What docs/library.md says, with and without the permissions that it calls useful. */
const PERMISSIONS: Record<string, (input: string, output: string) => string[]> = {
  "the files": (input, output) => [`--allow-read=${input},${output}`, `--allow-write=${output}`],
  "the files and the library": (input, output) => [
    `--allow-read=${input},${output},${ROOT}cli,${ROOT}build`,
    `--allow-write=${output}`,
  ],
  "all": () => ["-A"],
};

for (const [name, flags] of Object.entries(PERMISSIONS)) {
  Deno.test(`a program that runs all jobs with permission for ${name} prints nothing`, async () => {
    using input = new Folder();
    using output = new Folder();
    const disk = noise(3 * 1024 * 1024, 1);
    input.file("1.raw", disk);
    input.file("2.raw", disk.fill(7, 1024 * 1024, 1024 * 1024 + 512));
    writePageDisks(input.path);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-check", "--no-prompt", "--config", `${ROOT}deno.json`],
        ...flags(input.path, output.path),
        ...[PROGRAM, input.path, output.path],
      ],
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals([code, text(stdout), text(stderr)], [0, "", ""]);
  });
}

Deno.test("the program of the test above calls every function of the library that is a job", () => {
  const text = Deno.readTextFileSync(PROGRAM);
  const others = ["formatSeriesId", "formatTimeStamp", "readPublicKey", "readSecretKey"];
  const jobs = Object.entries(library).filter(([name, value]) =>
    typeof value === "function" && /^[a-z]/.test(name) && !others.includes(name)
  ).map(([name]) => name);
  assertEquals(jobs.filter((name) => !text.includes(`await ${name}(`)), []);
});
