import { assertEquals } from "@std/assert";
import { readFullySync } from "../../cli/files/small_file.ts";

/** A file of which each call returns one byte, or is interrupted. */
function dripping(content: Uint8Array): Pick<Deno.FsFile, "readSync"> {
  let [calls, at] = [0, 0];
  return {
    readSync: (into) => {
      if (calls++ % 2 === 0) throw new Deno.errors.Interrupted("Interrupted system call");
      if (at === content.length) return null;
      into[0] = content[at++];
      return 1;
    },
  };
}

Deno.test("readFullySync() goes on after short and interrupted reads until the file ends", () => {
  const into = new Uint8Array(8);
  assertEquals(readFullySync(dripping(Uint8Array.of(1, 2, 3, 4, 5)), into), 5);
  assertEquals(into, Uint8Array.of(1, 2, 3, 4, 5, 0, 0, 0));
});

Deno.test("readFullySync() reads no more than there is room for", () => {
  const into = new Uint8Array(2);
  assertEquals(readFullySync(dripping(Uint8Array.of(1, 2, 3)), into), 2);
  assertEquals(into, Uint8Array.of(1, 2));
});
