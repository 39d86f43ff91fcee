/** The tests of the test server that are in Go: its disks, its certificates, and a client of its data port. */

import { assertEquals } from "@std/assert";
import { runGo } from "../../scripts/vsphere_server.ts";
import { testWith } from "../support/skip.ts";
import { MISSING_VSPHERE_SERVER } from "./test_server.ts";

testWith({ missing: MISSING_VSPHERE_SERVER }, "the sources of the test server pass go vet", async () => {
  assertEquals(await runGo(["vet", "./..."]), "");
});

testWith({ missing: MISSING_VSPHERE_SERVER }, "the test server passes its own tests", async () => {
  const results = await runGo(["test", "./..."]);
  for (const name of ["certs", "disk", "faults", "nfc", "tree", "vim"]) {
    assertEquals(new RegExp(`^ok\\s+vmdkbkp.test/vsphere/${name}\\s`, "m").test(results), true, results);
  }
});
