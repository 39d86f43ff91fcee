/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

/**
 * A worker without Deno's functions and without shared memory, as in a web page: it checks a plain dump with its digest.
 * The modules are loaded after both are gone.
 */

const host = globalThis as { Deno?: unknown; SharedArrayBuffer?: unknown };
delete host.Deno;
delete host.SharedArrayBuffer;

self.onmessage = async ({ data }: MessageEvent<{ dump: Uint8Array; digest: Uint8Array }>) => {
  try {
    self.postMessage({ isBare: isBare(), counts: await checked(data) });
  } catch (error) {
    self.postMessage({ failure: (error as Error).stack });
  }
};

function isBare(): boolean {
  return typeof host.Deno === "undefined" && typeof host.SharedArrayBuffer === "undefined";
}

async function checked({ dump, digest }: { dump: Uint8Array; digest: Uint8Array }) {
  const { Core } = await import("../../cli/core.ts");
  const { PlainSource } = await import("../../cli/archive/plain_source.ts");
  const { DigestReader, DumpReader } = await import("../../cli/pipeline/archive_reader.ts");
  const { Chain } = await import("../../cli/pipeline/chain.ts");
  const { check } = await import("../../cli/pipeline/check.ts");
  const open = (path: string, bytes: Uint8Array) => {
    let at = 0;
    const readSync = (into: Uint8Array) => {
      const part = bytes.subarray(at, at + into.length);
      into.set(part);
      at += part.length;
      return part.length > 0 ? part.length : null;
    };
    return new PlainSource(path, { readSync, read: (into) => Promise.resolve(readSync(into)), close() {} });
  };
  await using core = await Core.load({ memoryBytes: 32 * 1024 * 1024 });
  return await check(core, {
    chain: new Chain([await DumpReader.open(core, open("dump", dump))]),
    digest: await DigestReader.open(core, open("digest", digest)),
  });
}
