import { assertEquals, assertStringIncludes } from "@std/assert";
import { generationsOf, type KnownArchive, type ProveChain } from "../../cli/pipeline/generations.ts";

type DrawnGeneration = [second: number, root?: string];

const told = ([second, root]: DrawnGeneration) => ({
  time: `t${second}`,
  seconds: second,
  root: root ?? null,
});

function dump(path: string, to: DrawnGeneration, fault?: string): KnownArchive {
  return { path, full: true, ...told(to), fault };
}

/** Without `from`, as if it had no seal. */
function rdiff(
  path: string,
  to: DrawnGeneration,
  { from, fault }: { from?: DrawnGeneration; fault?: string } = {},
): KnownArchive {
  return { path, full: false, ...told(to), from: from && told(from), fault };
}

/** Says that the chains of this list, as words, are right and all others wrong. */
const only = (...chains: string[]): ProveChain => ({ time }, { chain }) =>
  Promise.resolve(
    chains.includes(chain.join(" "))
      ? { proved: true }
      : { proved: false, fault: `${chain.join(" ")} is not ${time}` },
  );

async function chains(archives: KnownArchive[], options?: Parameters<typeof generationsOf>[1]) {
  return (await generationsOf(archives, options)).map(({ time, root, chain }) =>
    `${time}${root ?? ""}: ${chain?.join(" ") ?? "LOST"}`
  );
}

Deno.test("a generation is reached by its dump, or by rdiffs from a newer one", async () => {
  const archives = [
    rdiff("r3", [3]),
    dump("d5", [5]),
    rdiff("r4", [4], { from: [5] }),
    rdiff("r1", [1], { from: [2] }),
  ];
  const known = await generationsOf(archives, { others: [told([6])] });
  assertEquals(known.map(({ time, chain }) => [time, chain?.join(" ")]), [
    ["t6", undefined],
    ["t5", "d5"],
    ["t4", "d5 r4"],
    ["t3", "d5 r4 r3"],
    ["t1", undefined],
  ]);
  assertEquals(known.map(({ isAssumed }) => isAssumed), [false, false, false, true, false]);
  assertEquals([known[0].reasons, known[4].reasons], [
    ["no dump and no rdiff leads to it"],
    ['"r1" leads to it from the generation of t2, of which no file exists'],
  ]);
});

Deno.test("two generations of one second are two, and rdiffs begin at the right one", async () => {
  const archives = [
    dump("dA", [6, "A"]),
    dump("dB", [6, "B"]),
    rdiff("rA", [5, "C"], { from: [6, "A"] }),
    rdiff("rB", [4, "D"], { from: [6, "B"] }),
    rdiff("rX", [3, "E"], { from: [6, "X"] }),
  ];
  assertEquals(await chains(archives), ["t6A: dA", "t6B: dB", "t5C: dA rA", "t4D: dB rB", "t3E: LOST"]);
});

Deno.test("a root that is not known is the only one of its second, or any of several if that is proved", async () => {
  assertEquals(await chains([dump("d", [6])], { others: [told([6, "A"])] }), ["t6A: d"]);
  const archives = [dump("d", [6]), rdiff("r", [5, "C"], { from: [6] })];
  const others = [told([6, "A"]), told([6, "B"])];
  assertEquals(await chains(archives, { others, prove: only("d r") }), [
    "t6A: LOST",
    "t6B: LOST",
    "t5C: d r",
  ]);
  const known = await generationsOf(archives, { others });
  assertEquals(known.map(({ isAssumed }) => isAssumed), [true, true, true]);
});

Deno.test("what a seal does not tell is said to be assumed", async () => {
  const twins = [dump("dA", [6, "A"]), dump("dB", [6, "B"])];
  const assumed = async (...more: KnownArchive[]) =>
    (await generationsOf([...twins, ...more], { others: [told([5, "C"]), told([5, "D"])] }))
      .slice(2).map(({ isAssumed }) => isAssumed);
  // Where it begins, where it leads to, or neither may be one of two.
  assertEquals(await assumed(rdiff("r", [5, "C"], { from: [6] })), [true, false]);
  assertEquals(await assumed(rdiff("r", [5], { from: [6, "A"] })), [true, true]);
  assertEquals(await assumed(rdiff("r", [5, "C"], { from: [6, "A"] })), [false, false]);
});

Deno.test("a dump that took the time of its parent, as the original made them, is what the rdiff begins at", async () => {
  const archives = [rdiff("r", [6, "B"]), dump("d", [6, "A"])];
  assertEquals(await chains(archives), ["t6A: d", "t6B: d r"]);
});

Deno.test("the ways of one generation are tried until one is proved, the likeliest first", async () => {
  const archives = [
    dump("d", [5, "A"]),
    rdiff("bad", [4, "B"], { from: [5, "A"], fault: "torn" }),
    rdiff("wrong", [4, "B"]),
    rdiff("r", [3, "C"], { from: [4, "B"] }),
  ];
  const tried: string[] = [];
  const right = only("d", "d bad r");
  const prove: ProveChain = (generation, way) => {
    tried.push(way.chain.join(" "));
    return right(generation, way);
  };
  // The blocks that are bad in generation 4 are replaced on the way to 3.
  assertEquals(await chains(archives, { prove }), ["t5A: d", "t4B: LOST", "t3C: d bad r"]);
  assertEquals(tried, ["d", "d wrong", "d bad", "d bad r"]);
  const [, four] = await generationsOf(archives, { prove });
  assertEquals(four.reasons, ["d wrong is not t4"]);
});

Deno.test("without a proof, neither damaged archives nor skipped generations are believed", async () => {
  const archives = [
    dump("d", [5]),
    rdiff("r4", [4], { fault: "torn" }),
    rdiff("r3", [3]),
  ];
  assertEquals(await chains(archives), ["t5: d", "t4: LOST", "t3: LOST"]);
  const skips = await generationsOf([dump("d", [5]), rdiff("r3", [3])], { others: [told([4])] });
  assertEquals(skips.map(({ chain }) => chain !== undefined), [true, false, false]);
  assertStringIncludes(skips[2].reasons[0], 'nothing proves that "r3"');
});

Deno.test("an rdiff without a seal is tried from newer generations than the next, the nearest first", async () => {
  const dumps = Array.from({ length: 20 }, (_, i) => dump(`d${20 - i}`, [20 - i]));
  const tried: string[] = [];
  const prove: ProveChain = ({ time }, { chain }) => {
    if (time !== "t0") return Promise.resolve({ proved: false });
    tried.push(chain.join(" "));
    return Promise.resolve({ proved: false, fault: "other blocks" });
  };
  assertEquals((await chains([...dumps, rdiff("r", [0])], { prove })).at(-1), "t0: LOST");
  assertEquals(tried, Array.from({ length: 16 }, (_, i) => `d${i + 1} r`));
  assertEquals((await chains([...dumps, rdiff("r", [0])])).at(-1), "t0: d1 r");
});

Deno.test("what is proved past other generations leads on to older ones", async () => {
  const archives = [
    dump("d9", [9]),
    dump("d8", [8]),
    rdiff("r7", [7, "A"]),
    rdiff("r6", [6], { from: [7, "A"] }),
  ];
  const prove: ProveChain = ({ time }, { chain }) =>
    Promise.resolve({
      proved: chain.join(" ") === "d9 r7",
      fault: time === "t7" && chain[0] === "d8" ? "other blocks" : undefined,
    });
  assertEquals(await chains(archives, { prove }), ["t9: d9", "t8: d8", "t7A: d9 r7", "t6: d9 r7 r6"]);
});

Deno.test("so many ways are not all tried", async () => {
  const archives = [dump("d", [40]), ...Array.from({ length: 39 }, (_, i) => rdiff(`r${i}`, [i]))];
  const tried = new Map<string, number>();
  const known = await generationsOf(archives, {
    prove: ({ time }) => {
      tried.set(time, (tried.get(time) ?? 0) + 1);
      return Promise.resolve({ proved: false, fault: "no" });
    },
  });
  assertEquals(known.some(({ chain }) => chain !== undefined), false);
  assertEquals(Math.max(...tried.values()), 16);
});

Deno.test("more archives than can be read at a time bring nothing back", async () => {
  const archives = [dump("d", [900, "900"])];
  for (let n = 899; n >= 99; n--) {
    archives.push(rdiff(`r${n}`, [n, `${n}`], { from: [n + 1, `${n + 1}`] }));
  }
  const known = await generationsOf(archives);
  assertEquals(known.filter(({ chain }) => chain === undefined).map(({ time }) => time), ["t100", "t99"]);
  assertEquals(known[800].reasons, [
    "it takes 801 archives, at most 800 can be read at a time: merge some of them first",
  ]);
});

Deno.test("of a chain with hundreds of damaged archives some reasons are told, and how many there are more", async () => {
  const archives = [dump("d", [700, "700"])];
  for (let n = 699; n >= 0; n--) {
    archives.push(rdiff(`r${n}`, [n, `${n}`], { from: [n + 1, `${n + 1}`], fault: "damage" }));
  }
  const known = await generationsOf(archives);
  assertEquals(known[1].reasons, ['"r699" is damaged']);
  assertEquals(known[20].reasons.slice(-2), ['"r681" is damaged', '"r680" is damaged']);
  assertEquals(known[700].reasons.slice(-2), ['"r680" is damaged', "and 680 more"]);
});
