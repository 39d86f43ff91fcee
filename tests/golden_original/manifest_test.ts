import { assert, assertEquals } from "@std/assert";
import { goldenTest, sha256, WITH_BITMAP } from "./manifest.ts";
import { runJson } from "./expect.ts";

goldenTest("every file has the length and the SHA-256 of MANIFEST.md", (set) => {
  assert(set.files.length > 0 && set.disks.length > 0);
  for (const { name, bytes, sha256: expected } of set.files) {
    const file = Deno.readFileSync(set.path(name));
    assertEquals({ name, bytes: file.length, sha256: sha256(file) }, { name, bytes, sha256: expected });
  }
  return Promise.resolve();
});

goldenTest("print --headers shows the headers as MANIFEST.md describes them", async (set) => {
  for (const { name, content } of set.archives) {
    const { files: [header] } = await runJson(["print", "--headers", set.path(name)]);
    const { kind, ...fields } = parseContent(content);
    const time = header.time.replace(" summer time", "");
    assertEquals(
      {
        kind: header.kind,
        blocks: header.blocks,
        bs: header.blockSize,
        uuid: header.series,
        time,
        dst: time === header.time ? 0 : 1,
        ...(kind === "digest"
          ? {}
          : { adapter: header.adapterType, meta: Object.keys(header.metadata).length }),
      },
      { kind, ...fields },
      name,
    );
    assertEquals(header.capacity, kind === "digest" ? undefined : fields.blocks * fields.bs, name);
  }
});

goldenTest("print lists as many records and zero blocks as MANIFEST.md counts", async (set) => {
  for (const { name, content } of set.archives) {
    const { files: [{ records }] } = await runJson(["print", set.path(name)]);
    const zero = records.filter((record: { zero: boolean }) => record.zero).length;
    assertEquals(`records=${records.length} zero=${zero}`, /records=.*/.exec(content)?.[0], name);
  }
});

goldenTest("print-bmp counts the bits as MANIFEST.md does", async (set) => {
  for (const { name, content } of set.files.filter(({ content }) => content.startsWith("bitmap"))) {
    const { blocks, setBlocks } = await runJson(["print-bmp", set.path(name)]);
    assertEquals(`bitmap ${blocks} bits ${setBlocks} set`, content, name);
  }
}, WITH_BITMAP);

/**
 * Parses the fields of the header from a description such as
 * `dump blocks=8 ... meta=7 hdr=224 records=8 zero=4`.
 */
function parseContent(content: string) {
  const field = (name: string) => new RegExp(` ${name}=(\\S+)`).exec(content)?.[1];
  const number = (name: string) => Number(field(name));
  const kind = content.split(" ")[0];
  return {
    kind,
    blocks: number("blocks"),
    bs: number("bs"),
    uuid: field("uuid"),
    time: / time=(\S+ \S+)/.exec(content)?.[1],
    dst: number("dst"),
    ...(kind === "digest" ? {} : { adapter: number("adapter"), meta: number("meta") }),
  };
}
