/**
 * A program that runs a job of each kind, for `permissions_test.ts`. It prints nothing itself. Its arguments
 * are a folder that it may read and a folder that it may also write.
 */

import {
  backup,
  bitmapOfRdiff,
  changed,
  check,
  checkFolders,
  checkRepository,
  compare,
  copyMachine,
  digest,
  dump,
  Engine,
  exportGeneration,
  forget,
  initRepository,
  listRepository,
  map,
  merge,
  openRepository,
  rdiff,
  readArchives,
  readBitmapFile,
  restore,
  restoreFromRepository,
  salvage,
  seal,
} from "../../cli/mod.ts";

const [input, output] = Deno.args;
const at = (name: string) => `${output}/${name}`;
await using engine = await Engine.start();
const options = { engine };

const first = { dumpout: at("1.dump.gz"), digestout: at("1.digest") };
await dump({ mode: "full", disk: `${input}/1.raw`, ...first }, options);
const previous = { dumpin: first.dumpout, digestin: first.digestout };
const second = { dumpout: at("2.dump.zst"), digestout: at("2.digest"), rdiffout: at("1.rdiff") };
await dump({ mode: "diff", disk: `${input}/2.raw`, ...previous, ...second }, options);
await bitmapOfRdiff({ rdiffin: at("1.rdiff"), bmpout: at("1.bmp") }, options);
await readBitmapFile(at("1.bmp"), (bitmap) => Promise.resolve(bitmap.count()), options);
const third = { dumpout: at("3.dump"), digestout: at("3.digest"), rdiffout: at("3.rdiff") };
await dump(
  { mode: "incr", disk: `${input}/2.raw`, bmpin: at("1.bmp"), ...previous, ...third },
  options,
);
const chain = { archives: [at("2.dump.zst"), at("1.rdiff")], digestin: at("1.digest") };
await check(chain, options);
await checkFolders({ folders: [output] }, options);
await restore({ archives: chain.archives, disk: at("new.vmdk"), create: true, verify: true }, options);
// This warns, and so does the check of a damaged file.
await restore({ archives: chain.archives, disk: at("new.vmdk"), omitzeroblock: true }, options);
await merge({ archives: chain.archives, dumpout: at("m.dump") }, options);
await digest({ dumpin: at("m.dump"), digestout: at("m.digest") }, options);
await rdiff({ older: at("m.dump"), newer: at("2.dump.zst"), rdiffout: at("m.rdiff") }, options);
await compare({ a: at("m.dump"), b: at("1.dump.gz") }, options);
await seal({ files: [at("m.dump"), at("m.digest")] }, { engine, force: true });
await map({ disk: at("new.vmdk") }, () => Promise.resolve(), options);
await readArchives({ archives: [at("m.dump")] }, () => Promise.resolve(), options);
await changed({ disk: `${input}/snap.vmdk`, since: `${input}/disk.vmdk`, bmpout: at("c.bmp") }, options);
Deno.truncateSync(at("3.dump"), Deno.statSync(at("3.dump")).size - 1);
await check({ archives: [at("3.dump")], digestin: at("3.digest") }, options);
await salvage({ archives: [at("3.dump")], digestin: at("3.digest"), dumpout: at("s.dump") }, options);
await compare({ a: at("none"), b: at("none") }, options).catch(() => {});

const [repository, machine] = [at("repository"), "web"];
await initRepository(repository);
await backup({ repository, machine, disks: [{ disk: `${input}/1.raw`, key: "web" }] }, options);
await backup({ repository, machine, disks: [{ disk: `${input}/2.raw`, key: "web" }] }, options);
await openRepository(repository);
await listRepository({ repository });
await checkRepository({ repository }, options);
await restoreFromRepository({ repository, machine, disk: at("r.raw"), create: true }, options);
await exportGeneration({ repository, machine, dumpout: at("e.dump"), digestout: at("e.digest") }, options);
await initRepository(at("other"));
await copyMachine({ repository, machine, to: at("other") }, options);
await forget({ repository, keep: { last: 1 } }, options);
