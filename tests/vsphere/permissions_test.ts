import { assertEquals } from "@std/assert";
import { DataPortWorld } from "./data_port_world.ts";
import { mixedContent } from "./random.ts";

const SCRIPT = new URL("least_permissions.ts", import.meta.url).pathname;
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

Deno.test("the clients need the network of the two ports, and nothing else", async () => {
  const content = mixedContent(1 << 20, 1);
  await using world = await DataPortWorld.create({ content });
  const { server } = world.inventory;
  const { endpoint: { port } } = world.port.ticket();
  server.on(
    "QueryChangedDiskAreas",
    () => `<returnval><startOffset>0</startOffset><length>${content.length}</length></returnval>`,
  );
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--no-check", "--quiet", "--config", CONFIG],
      `--allow-net=127.0.0.1:${server.port},127.0.0.1:${port}`,
      SCRIPT,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(server.login())));
  await writer.close();
  const { stdout, stderr } = await process.output();
  assertEquals(new TextDecoder().decode(stderr), "");
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  assertEquals(JSON.parse(new TextDecoder().decode(stdout)), { sum: [...sum], changes: "changes" });
});
