/** Results as JUnit XML: what CI systems show. */

/** One thing that was tested. */
export interface TestCase {
  name: string;
  /** Why it failed. */
  failure?: string;
  /** Why it could not be ended. */
  error?: string;
  /** Why it could not be tested. */
  skipped?: string;
}

/** Things that were tested together. */
export interface TestSuite {
  name: string;
  cases: readonly TestCase[];
}

/** Whether a file that begins so was written here. */
export function isJunit(beginning: string): boolean {
  return /^<\?xml [^>]*>\s*<testsuites name="vmdkbkp check"/.test(beginning);
}

/** The file. Attributes as Jenkins and GitLab read them. */
export function junitXml(suites: readonly TestSuite[], { seconds }: { seconds: number }): string {
  const all = suites.flatMap(({ cases }) => cases);
  const counts = countsOf(all);
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>'];
  lines.push(`<testsuites name="vmdkbkp check"${counts} time="${seconds.toFixed(3)}">`);
  for (const { name, cases } of suites) {
    lines.push(`  <testsuite name="${escape(name)}"${countsOf(cases)}>`);
    for (const { name: caseName, failure, error, skipped } of cases) {
      const open = `    <testcase classname="${escape(name)}" name="${escape(caseName)}"`;
      if (failure !== undefined) lines.push(`${open}><failure message="${escape(failure)}"/></testcase>`);
      else if (error !== undefined) lines.push(`${open}><error message="${escape(error)}"/></testcase>`);
      else if (skipped !== undefined) {
        lines.push(`${open}><skipped message="${escape(skipped)}"/></testcase>`);
      } else lines.push(`${open}/>`);
    }
    lines.push("  </testsuite>");
  }
  lines.push("</testsuites>", "");
  return lines.join("\n");
}

function countsOf(cases: readonly TestCase[]): string {
  const count = (what: "failure" | "error" | "skipped") =>
    cases.filter((one) => what === (["failure", "error", "skipped"] as const).find((key) => one[key])).length;
  return ` tests="${cases.length}" failures="${count("failure")}" errors="${count("error")}" ` +
    `skipped="${count("skipped")}"`;
}

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\n": "&#10;",
};

/** XML 1.0 has no way to write most control characters. */
function escape(text: string): string {
  return text.toWellFormed()
    .replace(/[\p{Cc}\ufffe\uffff]/gu, (character) => "\t\n\r".includes(character) ? character : "\ufffd")
    .replace(/[&<>"\n]/g, (character) => ENTITIES[character]);
}
