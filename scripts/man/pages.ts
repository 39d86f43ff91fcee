/** The manual pages, from the declarations of the commands. */

import { EXIT } from "../../cli/errors.ts";
import { inGroups } from "../../cli/options/groups.ts";
import {
  argumentOf,
  bareName,
  type Command,
  type DescribedCommand,
  flagOf,
  type Option,
  optionsOf,
} from "../../cli/options/option.ts";
import { expectation } from "../../cli/options/values.ts";
import { VERSION } from "../../cli/version.ts";
import { bold, escaped, italic, item, paragraphs, request, section, verbatim } from "./roff.ts";

/** What each exit code says. */
const EXIT_MEANINGS: Record<keyof typeof EXIT, string> = {
  done: "The command did what it was asked to.",
  environment: "A file could not be opened, read or written, or something else is missing here.",
  usage: "The command line asks for something that cannot be meant. Nothing was touched.",
  corrupt: "An archive is damaged, or archives or blocks do not belong together.",
  diskLibrary: "VMware's disk library failed, or the server behind it, or there is none.",
  different: "compare: the archives differ.",
  unproved: "Nothing is known to be wrong, and nothing proves what was checked.",
  hungUp: "SIGHUP stopped the command.",
  interrupted: "SIGINT stopped the command.",
  terminated: "SIGTERM stopped the command.",
};

/** The page of the program: all commands. `date` is a day like 2026-11-30. */
export function overviewPage(entries: readonly DescribedCommand[], date: string): string {
  return page({ title: "vmdkbkp", date }, [
    ...section("NAME", [escaped("vmdkbkp - backup of virtual disks, block by block")]),
    ...section("SYNOPSIS", [
      `${bold("vmdkbkp")} ${italic("command")} [${italic("options")}] [${italic("files")}]`,
      ".br",
      `${bold("vmdkbkp help")} ${italic("command")}`,
      ".br",
      bold("vmdkbkp --version"),
    ]),
    ...section(
      "COMMANDS",
      entries.flatMap(({ command, summary }) => item(bold(command.name), sentence(summary))),
    ),
    ...section("ENVIRONMENT", environmentOf(entries.map(({ command }) => command))),
    ...exitStatus(),
    ...section("SEE ALSO", [
      entries.map(({ command }) => `${bold(`vmdkbkp-${command.name}`)}(1)`).join(",\n"),
    ]),
  ]);
}

/** The page of one command. `date` is a day like 2026-11-30. */
export function commandPage({ command, summary }: DescribedCommand, date: string): string {
  const { name, description, examples, args } = command;
  const places = Object.keys(args).map((place) => italic(place));
  return page({ title: `vmdkbkp-${name}`, date }, [
    ...section("NAME", [escaped(`vmdkbkp-${name} - ${summary}`)]),
    ...section("SYNOPSIS", [[bold(`vmdkbkp ${name}`), `[${italic("options")}]`, ...places].join(" ")]),
    ...section("DESCRIPTION", paragraphs(description)),
    ...section(
      "ARGUMENTS",
      Object.entries(args).flatMap(([place, declared]) => {
        const { help, choices = [] } = argumentOf(declared);
        const list = choices.length === 0 ? "" : ` One of ${choices.join(", ")}.`;
        return item(italic(bareName(place)), `${sentence(help)}${list}`);
      }),
    ),
    ...section(
      "OPTIONS",
      inGroups(optionsOf(command), ([, option]) => option.group).flatMap(({ title, items }, i) => [
        ...i === 0 && title === "Options" ? [] : [request("SS", title)],
        ...items.flatMap(([name, option]) => item(term(name, option), explanation(command, option))),
      ]),
    ),
    ...section("ENVIRONMENT", environmentOf([command])),
    ...exitStatus(),
    ...section("EXAMPLES", verbatim(examples.trim())),
    ...section("SEE ALSO", [`${bold("vmdkbkp")}(1)`]),
  ]);
}

/** Text is not justified and words are not divided, so that options can be found and copied. */
function page({ title, date }: { title: string; date: string }, lines: readonly string[]): string {
  // Programs read the date, and know no minus signs in it.
  const head = `${request("TH", title.toUpperCase(), "1")} "${date}" "vmdkbkp ${VERSION}" "vmdkbkp manual"`;
  return `${[head, ".ad l", ".nh", ...lines].join("\n")}\n`;
}

function term(name: string, option: Option): string {
  const short = option.short === undefined ? "" : `${bold(`-${option.short}`)}, `;
  const value = option.type === "flag" ? "" : ` ${italic(option.value)}`;
  return `${short}${bold(`--${flagOf(name)}`)}${value}`;
}

/** The help of an option as sentences, with what it expects, requires and excludes. */
function explanation(command: Command, option: Option): string {
  const { help, required, when, requires = [], excludes = {}, environment } = option;
  const preset = option.type === "flag" ? undefined : option.default;
  const has = (name: string) => Object.hasOwn(command.options, name);
  const needed = requires.map((need) =>
    [need].flat().filter(has).map((name) => `--${flagOf(name)}`).join(" or ")
  )
    .filter((names) => names !== "");
  return [
    sentence(help),
    required && "The option is required.",
    isLimited(option) && sentence(`the value is ${expectation(option)}`),
    option.type === "choice" && `One of ${option.choices.join(", ")}.`,
    preset !== undefined && `The default is ${preset}.`,
    when !== undefined && `Only with --${flagOf(when.name)} ${when.is.join(" or ")}` +
      `${when.required ? ", where it is required" : ""}.`,
    needed.length > 0 && `Needs ${needed.join(", ")}.`,
    ...Object.entries(excludes).filter(([name]) => has(name))
      .map(([name, reason]) =>
        `Not together with --${flagOf(name)}: ${sentence(reason, { isBeginning: false })}`
      ),
    environment?.givesValue && `The environment variable ${environment.variable} does the same.`,
  ].filter((text) => typeof text === "string").join(" ");
}

/** Whether what the value must be is worth a sentence. */
function isLimited(option: Option): option is Exclude<Option, { type: "flag" }> {
  return ["bytes", "count", "seconds", "percent", "time"].includes(option.type);
}

/** The variables of commands, each once. */
function environmentOf(commands: readonly Command[]): string[] {
  const variables = new Map<string, string>();
  for (const { options } of commands) {
    for (const { environment } of Object.values(options)) {
      if (environment !== undefined) variables.set(environment.variable, environment.help);
    }
  }
  return [...variables].flatMap(([variable, help]) => item(bold(variable), help));
}

function exitStatus(): string[] {
  const codes = Object.keys(EXIT) as (keyof typeof EXIT)[];
  return section("EXIT STATUS", codes.flatMap((name) => item(bold(String(EXIT[name])), EXIT_MEANINGS[name])));
}

function sentence(text: string, { isBeginning = true } = {}): string {
  const first = isBeginning ? text[0].toUpperCase() : text[0];
  return `${first}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
