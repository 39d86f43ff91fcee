import { assertEquals } from "@std/assert";
import { ProcessGoneError } from "../../../cli/disks/vddk/process.ts";
import { remedyFor, waitBefore } from "../../../cli/disks/vddk/recovery.ts";
import { VixError } from "../../../ffi/vix/vix_error.ts";

const failed = (code: number) => new VixError({ call: "Read", code, text: "" });
const remedies = (error: unknown) => [1, 2, 3, 4, 10].map((failures) => remedyFor(error, failures));

Deno.test("remedyFor() repeats, then connects anew, then starts the library afresh every time", () => {
  for (const code of [1, 7, 13, 14007, 14011, 14015, 16002, 18000, 30007]) {
    assertEquals(remedies(failed(code)), ["again", "reconnect", "restart", "restart", "restart"], `${code}`);
  }
});

Deno.test("remedyFor() does not repeat a call in a session that has ended", () => {
  for (const code of [26, 34, 36, 3047]) assertEquals(remedyFor(failed(code), 1), "reconnect", `${code}`);
});

Deno.test("remedyFor() gives up calls that cannot succeed", () => {
  for (const code of [3, 4, 6, 11, 35, 3014, 16007, 16052]) {
    assertEquals(remedyFor(failed(code), 1), "giveUp", `${code}`);
  }
  assertEquals(remedyFor(new Error("no answer that is understood"), 1), "giveUp");
});

Deno.test("remedyFor() replaces a process that ended, and gives up one that hung", () => {
  assertEquals(remedyFor(new ProcessGoneError("", { hung: false }), 1), "restart");
  assertEquals(remedyFor(new ProcessGoneError("", { hung: true }), 1), "giveUp");
});

Deno.test("waitBefore() doubles the wait up to a minute", () => {
  const waits = [1, 2, 3, 6, 7, 10].map((failures) => waitBefore(failures, 1000));
  assertEquals(waits, [1000, 2000, 4000, 32_000, 60_000, 60_000]);
});
