import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { readPassword } from "../../cli/files/password.ts";
import { UsageError } from "../../cli/errors.ts";
import { Folder } from "../disks/helpers.ts";
import { denoArgs } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";
import { PseudoTerminal, testAtTerminal } from "./pseudo_terminal.ts";

const ASK = new URL("ask_password.ts", import.meta.url).pathname;
const QUESTION = "Password for root at esxi.example: ";
/** Owner of files that are not root's. */
const NOBODY = 65534;
const PURPOSE = { user: "root", server: "esxi.example", warn: () => {} };

/** `got ...` of `ask_password.ts`. */
const got = (password: string) => `got ${encodeURIComponent([...password].reverse().join(""))}\n`;

function isRoot(): boolean {
  return Deno.uid() === 0;
}

Deno.test("readPassword() takes --password and warns of the process list", async () => {
  const warnings: string[] = [];
  const password = await readPassword({ password: "sesame" }, {
    ...PURPOSE,
    warn: (line) => void warnings.push(line),
  });
  assertEquals(password, "sesame");
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0], "process list");
  assert(!warnings[0].includes("sesame"));
});

Deno.test("readPassword() refuses --password and --password-file together", async () => {
  const error = await assertRejects(
    () => readPassword({ password: "sesame", passwordFile: "f" }, PURPOSE),
    UsageError,
    "only one",
  );
  assert(!error.message.includes("sesame"));
});

/** Files and the passwords in them. */
const FILES: [content: string, password: string][] = [
  ["sesame", "sesame"],
  ["sesame\n", "sesame"],
  ["sesame\r\nmore\r\n", "sesame"],
  [" se same \n\n", " se same "],
  ["grüße 🔑\n", "grüße 🔑"],
  ["\ufeffsesame\n", "sesame"],
  [`${"x".repeat(4095)}\n`, "x".repeat(4095)],
];

for (const [content, password] of FILES) {
  Deno.test(`readPassword() reads the first line of ${JSON.stringify(content).slice(0, 40)}`, async () => {
    using folder = new Folder();
    assertEquals(await readPassword({ passwordFile: folder.file("p", content) }, PURPOSE), password);
  });
}

/** Files without a password, and what the message says. */
const BAD_FILES: [content: string | Uint8Array, says: string][] = [
  ["", "it is empty"],
  ["\nsesame\n", "it is empty"],
  ["\r\n", "it is empty"],
  ["ses\0ame\n", "NUL"],
  [new Uint8Array([0x73, 0x65, 0xfc, 0x0a]), "not UTF-8"],
  ["x".repeat(5000), "longer than 4096 bytes"],
];

for (const [content, says] of BAD_FILES) {
  Deno.test(`readPassword() refuses a file: ${says} (${content.length} bytes)`, async () => {
    using folder = new Folder();
    const path = folder.file("p", content);
    const error = await assertRejects(
      () => readPassword({ passwordFile: path }, PURPOSE),
      UsageError,
      `"${path}"`,
    );
    assertStringIncludes(error.message, says);
    for (const piece of ["ses", "xxx"]) assert(!error.message.includes(piece), error.message);
  });
}

Deno.test("readPassword() names a file that is not there, once", async () => {
  using folder = new Folder();
  const path = `${folder.path}/none`;
  const error = await assertRejects(() => readPassword({ passwordFile: path }, PURPOSE), Error, `"${path}"`);
  assertEquals(error.message.split(path).length, 2, error.message);
  assert(!(error instanceof UsageError));
});

/** Modes of a file that is not root's, and who else reads it. */
const MODES: [mode: number, readers: string | undefined][] = [
  [0o600, undefined],
  [0o644, "all users"],
  [0o604, "all users"],
  [0o640, "its group"],
  [0o620, undefined],
];

/** What readPassword() says about a file with a password. */
async function warningsOf(path: string): Promise<string[]> {
  const warnings: string[] = [];
  const warn = (line: string) => void warnings.push(line);
  assertEquals(await readPassword({ passwordFile: path }, { ...PURPOSE, warn }), "sesame");
  return warnings;
}

for (const [mode, readers] of MODES) {
  const outcome = readers === undefined ? "says nothing" : "warns";
  Deno.test(`readPassword() ${outcome} about a file of mode ${mode.toString(8)}`, async () => {
    using folder = new Folder();
    const path = folder.file("p", "sesame\n");
    if (isRoot()) Deno.chownSync(path, NOBODY, NOBODY);
    Deno.chmodSync(path, mode);
    assertEquals(
      await warningsOf(path),
      readers === undefined
        ? []
        : [`password file "${path}" can be read by ${readers}: chmod 600 keeps it private`],
    );
  });
}

Deno.test({
  name: "readPassword() says nothing about root's file that a group reads",
  // Only root can make one.
  ignore: !isRoot(),
  fn: async () => {
    using folder = new Folder();
    const path = folder.file("p", "sesame\n");
    Deno.chmodSync(path, 0o640);
    assertEquals(await warningsOf(path), []);
  },
});

Deno.test("readPassword() does nothing after its signal", async () => {
  const reason = new Error("Stopped");
  await assertRejects(
    () => readPassword({ passwordFile: "none", signal: AbortSignal.abort(reason) }, PURPOSE),
    Error,
    "Stopped",
  );
});

/** Runs `ask_password.ts` with a standard input and, if `alone`, away from any terminal. */
async function ask(
  options: Record<string, string>,
  { stdin = "", env, alone = false }: { stdin?: string; env?: Record<string, string>; alone?: boolean },
): Promise<string> {
  const line = [Deno.execPath(), ...denoArgs(ASK), JSON.stringify(options)];
  const [program, ...args] = alone ? ["setsid", "--wait", ...line] : line;
  const child = new Deno.Command(program, { args, env, stdin: "piped", stdout: "piped", stderr: "null" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin));
  await writer.close();
  const { stdout } = await child.output();
  return new TextDecoder().decode(stdout).replace(/^pid .*\n/, "");
}

Deno.test("readPassword() reads the first line of standard input", async () => {
  assertEquals(await ask({ passwordFile: "-" }, { stdin: "sesame\nmore\n" }), got("sesame"));
});

Deno.test("readPassword() refuses an empty standard input", async () => {
  const said = await ask({ passwordFile: "-" }, {});
  assertEquals(said, "UsageError: Cannot use the password of standard input: it is empty\n");
});

Deno.test("readPassword() takes the environment's, behind the options'", async () => {
  const env = { VMDKBKP_PASSWORD: "from around" };
  assertEquals(await ask({}, { env }), got("from around"));
  assertEquals(await ask({ passwordFile: "-" }, { env, stdin: "sesame\n" }), got("sesame"));
});

Deno.test("readPassword() refuses an empty variable instead of asking", async () => {
  assertStringIncludes(
    await ask({}, { env: { VMDKBKP_PASSWORD: "" } }),
    "UsageError: Cannot use the password",
  );
});

testWith({ missing: missingSetsid() }, "readPassword() without a terminal lists the other ways", async () => {
  const said = await ask({}, { alone: true });
  for (const way of ["UsageError", "no terminal", "--password-file", "VMDKBKP_PASSWORD", "--password"]) {
    assertStringIncludes(said, way);
  }
});

function missingSetsid(): string | undefined {
  try {
    new Deno.Command("setsid", { args: ["--version"], stdout: "null", stderr: "null" }).outputSync();
  } catch {
    return "the program setsid of util-linux is not installed";
  }
}

/** `ask_password.ts` at a terminal, between two looks at the terminal's settings. */
function askAtTerminal({ options = {}, redirect = "" } = {}): PseudoTerminal {
  const line = [Deno.execPath(), ...denoArgs(ASK), JSON.stringify(options)].map((arg) => `'${arg}'`).join(
    " ",
  );
  return new PseudoTerminal(
    `echo "before=$(stty -g)."; ${line} ${redirect}; echo "after=$(stty -g)."; echo done`,
  );
}

/** Waits for the end, and wants `said` and the terminal as it was. Returns what the program left on it. */
async function assertEnd(terminal: PseudoTerminal, said: string): Promise<string> {
  await terminal.shows("done");
  const { screen } = terminal;
  const [, before, shown, after] = /^before=(.*)\.\npid \d+\.\n([^]*)after=(.*)\.\ndone\n/.exec(screen) ?? [];
  assertEquals(after, before, screen);
  assertEquals(shown, `${QUESTION}\n${said}`);
  return shown;
}

/** What is typed, in one go each, and the password that it makes. */
const TYPED: [name: string, keys: string[], password: string][] = [
  ["a line", ["sesame\r"], "sesame"],
  ["a line that ends as those of files do", ["sesame\n"], "sesame"],
  ["more than it was asked for", ["sesame\rmore\r"], "sesame"],
  ["backspaces, each a character", ["x\x7f\x7fgrü🔑\x7f\bün\r"], "grün"],
  ["Ctrl-U", ["wrong\x15sesame\r"], "sesame"],
  ["arrow keys and control characters", ["ses\x1b[D\x1bOC\x1b[1;5D\x01\x1a\x1cam\x04e\t\r"], "sesame"],
  ["spaces and quotes", [` "a b' \\ \r`], ` "a b' \\ `],
];

for (const [name, keys, password] of TYPED) {
  testAtTerminal(`readPassword() asks and understands ${name}`, async () => {
    await using terminal = askAtTerminal();
    await terminal.shows(QUESTION);
    for (const part of keys) await terminal.type(part);
    await assertEnd(terminal, got(password));
  });
}

testAtTerminal("readPassword() puts characters together that arrive in pieces", async () => {
  await using terminal = askAtTerminal();
  await terminal.shows(QUESTION);
  for (const byte of new TextEncoder().encode("ü🔑\r")) {
    await terminal.type(new Uint8Array([byte]));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await assertEnd(terminal, got("ü🔑"));
});

testAtTerminal("readPassword() refuses what is not UTF-8", async () => {
  await using terminal = askAtTerminal();
  await terminal.shows(QUESTION);
  await terminal.type(new Uint8Array([0x73, 0xfc, 0x73, 0x0d]));
  await assertEnd(
    terminal,
    "UsageError: Cannot read the password from the terminal: what it sends is not UTF-8\n",
  );
});

for (const [name, keys] of [["Enter", "\r"], ["Ctrl-D", "\x04"]]) {
  testAtTerminal(`readPassword() refuses ${name} alone`, async () => {
    await using terminal = askAtTerminal();
    await terminal.shows(QUESTION);
    await terminal.type(keys);
    await assertEnd(terminal, "UsageError: Cannot use the password of the terminal: it is empty\n");
  });
}

testAtTerminal("readPassword() ends with Ctrl-C as with SIGINT", async () => {
  await using terminal = askAtTerminal();
  await terminal.shows(QUESTION);
  await terminal.type("sesa\x03");
  await assertEnd(terminal, "InterruptedError: Interrupted by SIGINT\n");
});

testAtTerminal("readPassword() restores the terminal when SIGTERM ends the program", async () => {
  await using terminal = askAtTerminal();
  await terminal.shows(QUESTION);
  // Nothing is typed: keys that arrive a moment after the signal are shown, as they should be.
  Deno.kill(Number(/pid (\d+)\./.exec(terminal.screen)?.[1]), "SIGTERM");
  await assertEnd(terminal, "InterruptedError: Interrupted by SIGTERM\n");
});

for (const redirect of ["</dev/null", "2>/dev/null", "</dev/null 2>/dev/null"]) {
  testAtTerminal(`readPassword() finds the terminal in spite of ${redirect}`, async () => {
    await using terminal = askAtTerminal({ redirect });
    await terminal.shows(QUESTION);
    await terminal.type("sesame\r");
    await assertEnd(terminal, got("sesame"));
  });
}

testAtTerminal("readPassword() does not show what is typed for --password-file -", async () => {
  await using terminal = askAtTerminal({ options: { passwordFile: "-" } });
  await terminal.shows(QUESTION);
  await terminal.type("sesame\r");
  await assertEnd(terminal, got("sesame"));
});
