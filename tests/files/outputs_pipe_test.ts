import { assertEquals, assertRejects } from "@std/assert";
import { UsageError } from "../../cli/errors.ts";
import { Outputs } from "../../cli/files/outputs.ts";
import { Folder } from "../disks/helpers.ts";
import { drawRdiff } from "../pipeline/drawn_archives.ts";
import { denoArgs, runCli } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";
import { filesIn, writeText } from "./folder_state.ts";

const missing = Deno.build.os === "windows" ? "Windows has no named pipes in folders" : undefined;

testWith({ missing }, "Outputs write a named pipe directly and leave it where it is", async () => {
  using folder = new Folder();
  const path = folder.file("pipe");
  await new Deno.Command("mkfifo", { args: [path] }).output();
  const reader = new Deno.Command("cat", { args: [path], stdout: "piped" }).spawn();
  {
    using careful = new Outputs({ force: false, inputs: [] });
    await assertRejects(() => careful.open(path), UsageError, "leads to a pipe or a device");
    using outputs = new Outputs({ force: true, inputs: [] });
    writeText(await outputs.open(path), "through the pipe");
    writeText(await outputs.open(folder.file("file")), "beside it");
    outputs.commit();
  }
  assertEquals(new TextDecoder().decode((await reader.output()).stdout), "through the pipe");
  assertEquals(Deno.statSync(path).isFifo, true);
  Deno.removeSync(path);
  assertEquals(filesIn(folder), { file: "beside it" });
});

testWith({ missing }, "Outputs write no device that a link in a folder leads to, unless forced", async () => {
  using folder = new Folder();
  Deno.symlinkSync("/dev/null", folder.file("link"));
  using careful = new Outputs({ force: false, inputs: [] });
  await assertRejects(
    () => careful.open(folder.file("link")),
    UsageError,
    "--force writes to it nevertheless",
  );
  using outputs = new Outputs({ force: true, inputs: [] });
  writeText(await outputs.open(folder.file("link")), "away");
  outputs.commit();
});

testWith({ missing }, "a command whose output is a pipe without a reader ends at SIGTERM", async () => {
  using folder = new Folder();
  const path = folder.file("pipe");
  await new Deno.Command("mkfifo", { args: [path] }).output();
  const disk = folder.file("d.raw", "disk");
  const args = [
    "dump",
    "--mode",
    "full",
    "--local",
    disk,
    "--dumpout",
    folder.file("d.dump"),
    "--digestout",
    path,
  ];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...denoArgs(), ...args, "--force"],
    stdout: "null",
    stderr: "null",
  }).spawn();
  // The dump is opened first; then the command waits for a reader of the digest.
  const isWaiting = () =>
    [...Deno.readDirSync(folder.path)].some(({ name }) => name.endsWith(".journal.vmdkbkp"));
  while (!isWaiting()) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill("SIGTERM");
  assertEquals((await child.status).code, 143);
  Deno.removeSync(path);
  assertEquals(Object.keys(filesIn(folder)), ["d.raw"]);
});

testWith({ missing }, "Outputs write /dev/null directly, as often as it is named", async () => {
  using outputs = new Outputs({ force: false, inputs: ["/dev/null"] });
  for (let i = 0; i < 2; i++) writeText(await outputs.open("/dev/null"), "away");
  outputs.commit();
  assertEquals(Deno.statSync("/dev/null").isCharDevice, true);
});

testWith({ missing }, "Outputs that are disposed without commit() leave /dev/null", async () => {
  {
    using outputs = new Outputs({ force: true, inputs: [] });
    await outputs.open("/dev/null");
  }
  assertEquals(Deno.statSync("/dev/null").isCharDevice, true);
});

// As in `--dumpout >(ssh host 'cat > dump')`, where the shell passes the path of a pipe that is in no folder.
testWith({ missing }, "Outputs write a pipe that only /dev/fd names", async () => {
  using folder = new Folder();
  const rdiff = folder.file("0.rdiff", drawRdiff("a__b_").bytes);
  const { code, stdoutBytes, stderr } = await runCli([
    "rdiff2bmp",
    rdiff,
    "--bmpout",
    "/dev/fd/1",
    "--quiet",
  ]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(stdoutBytes.subarray(0, 3), new Uint8Array([0x35, 0, 0b1001_0000]));
});
