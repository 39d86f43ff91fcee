import { assertEquals, assertThrows } from "@std/assert";
import { print } from "../../cli/files/standard_streams.ts";

/** Returns a stream whose writes accept the given numbers of bytes, or throw the given errors. */
function streamOf(answers: (number | Error)[]): { stream: Parameters<typeof print>[1]; taken: () => string } {
  const taken: number[] = [];
  const writeSync = (bytes: Uint8Array): number => {
    const answer = answers.shift() ?? bytes.length;
    if (typeof answer !== "number") throw answer;
    taken.push(...bytes.subarray(0, answer));
    return answer;
  };
  return {
    stream: { stream: { name: "the stream", file: { writeSync } } },
    taken: () => new TextDecoder().decode(Uint8Array.from(taken)),
  };
}

Deno.test("print() continues after a short write, a full stream, and a signal", () => {
  const { stream, taken } = streamOf([
    2,
    new Deno.errors.WouldBlock("Resource temporarily unavailable (os error 11)"),
    1,
    new Deno.errors.Interrupted("Interrupted system call (os error 4)"),
    new Deno.errors.WouldBlock("Resource temporarily unavailable (os error 11)"),
  ]);
  print("zwölf\n", stream);
  assertEquals(taken(), "zwölf\n");
});

Deno.test("print() names the stream and the system's reason, also after a part of the text", () => {
  for (const reason of ["No space left on device (os error 28)", "Broken pipe (os error 32)"]) {
    for (const before of [[], [3]]) {
      const { stream } = streamOf([...before, new Error(reason)]);
      assertThrows(() => print("a text\n", stream), Error, `Cannot write the stream: ${reason}`);
      const again = streamOf([...before, new Error(reason)]).stream;
      assertThrows(
        () => print("a text\n", { ...again, what: "the report" }),
        Error,
        `Cannot write the report to the stream: ${reason}`,
      );
    }
  }
});
