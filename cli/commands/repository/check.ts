/** `vmdkbkp check --repo`: prove the machines of a repository. */

import { EXIT } from "../../errors.ts";
import { type CheckedMachine, checkRepository } from "../../jobs/repository/check.ts";
import { writeReportFile } from "../../jobs/report_file.ts";
import { printable } from "../../printable.ts";
import type { CommonOptions } from "../common.ts";
import { isJunit, junitXml } from "../junit.ts";
import { Printer } from "../printer.ts";
import { secondsSince } from "../summary.ts";
import { SCHEMA } from "./options.ts";

/** What is checked, and where the result is written. */
export interface MachinesCheck {
  repository: string;
  machines: readonly string[];
  maxAgeMs?: number;
  /** Path of a JUnit report. */
  junit?: string;
}

/** Checks machines, prints each as soon as it is checked, and returns the exit code. */
export async function checkMachines(
  options: CommonOptions,
  { repository, machines: names, maxAgeMs, junit }: MachinesCheck,
): Promise<number> {
  const start = performance.now();
  using printer = new Printer(options, { outputs: [junit] });
  const jobOptions = await printer.jobOptions();
  const pending: Promise<void>[] = [];
  const { machines, ok } = await checkRepository({
    ...{ repository, machines: names, maxAgeMs },
    onMachine: (machine) => {
      if (options.json) return;
      const text = machineText(machine).map((line) => `${printable(line)}\n`).join("");
      pending.push(printer.write(text));
    },
  }, jobOptions);
  await Promise.all(pending);
  const seconds = secondsSince(start);
  if (junit !== undefined) {
    const suites = machines.map(({ name, generations, faults }) => ({
      name,
      cases: [
        { name, failure: faults.length === 0 ? undefined : faults.join("\n") },
        ...generations.map(({ id, faults }) => ({
          name: id,
          failure: faults.length === 0 ? undefined : faults.join("\n"),
        })),
      ],
    }));
    const bytes = new TextEncoder().encode(junitXml(suites, { seconds }));
    await writeReportFile({ path: junit, bytes, about: [], isReport: isJunit }, jobOptions);
  }
  const wrong = machines.filter((machine) => !machine.ok);
  const isRead = wrong.every((machine) => machine.isRead);
  const word = ok ? "OK" : isRead ? "WRONG" : "NOT READ";
  return printer.report({
    text: [`  ${seconds.toFixed(2)} s`, `Check: ${word}`],
    json: { command: "check", schema: SCHEMA, repository, machines, seconds },
    exitCode: ok ? EXIT.done : isRead ? EXIT.corrupt : EXIT.environment,
  });
}

function machineText({ name, generations, faults, ok }: CheckedMachine): string[] {
  return [
    `${name}: ${ok ? "right" : "WRONG"}`,
    ...faults.map((fault) => `  ${fault}`),
    ...generations.flatMap(({ id, faults }) => [
      `  ${id}  ${faults.length === 0 ? "right" : "WRONG"}`,
      ...faults.map((fault) => `    ${fault}`),
    ]),
  ];
}
