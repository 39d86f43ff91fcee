/** XML into a small tree, with bounds for everything that a server could make large. */

import { SaxesParser } from "saxes";
import { UsageError } from "../../errors.ts";
import { ProtocolError, shown } from "../errors.ts";

/** An element; every value stays text: a machine may be called `007`. */
export interface XmlElement {
  /** The name without a prefix. */
  name: string;
  namespace: string;
  /** The attribute `type` without a namespace: the kind of object that a reference points to. */
  type?: string;
  /** The attribute `type` of XML Schema, without its prefix: which type of data it is. */
  schemaType?: string;
  /** Characters directly in it. */
  text: string;
  children: XmlElement[];
}

/** Elements that are not to be kept: each is handed over when it is complete. */
export interface Passing {
  /** Their name without a prefix. */
  name: string;
  take: (element: XmlElement) => void;
}

const SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance";
const MAX_DEPTH = 100;
const MAX_ELEMENTS = 400_000;
/** Characters that the tree holds, and characters between two events of the parser, which it holds itself. */
const MAX_TEXT_CHARS = 16 * 1024 * 1024;
const MAX_PIECE_CHARS = 4 * 1024 * 1024;
/**
 * The parser gets so many characters at a time; the bound of its own memory is checked between two pieces.
 */
const PIECE_CHARS = 64 * 1024;

/** Takes a document in pieces and makes the tree of it. */
export class XmlReader {
  readonly #parser = new SaxesParser({ xmlns: true, position: false });
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  readonly #passing?: Passing;
  readonly #open: XmlElement[] = [];
  #root?: XmlElement;
  #elementCount = 0;
  #textChars = 0;
  #charsSinceEvent = 0;

  constructor(passing?: Passing) {
    this.#passing = passing;
    const parser = this.#parser;
    parser.on("error", (error) => {
      throw new ProtocolError(`the answer is not well-formed XML: ${shown(error.message)}`);
    });
    // A document type could define entities; SOAP 1.1, section 3, forbids both.
    parser.on("doctype", () => {
      throw new ProtocolError("the answer has a document type, which SOAP forbids");
    });
    parser.on("processinginstruction", () => {
      throw new ProtocolError("the answer has a processing instruction, which SOAP forbids");
    });
    parser.on("xmldecl", ({ encoding = "utf-8" }) => {
      if (encoding.toLowerCase() !== "utf-8") {
        throw new ProtocolError(`the answer is encoded in "${shown(encoding)}", UTF-8 is expected`);
      }
    });
    parser.on("comment", () => this.#charsSinceEvent = 0);
    parser.on("text", (text) => this.#addText(text));
    parser.on("cdata", (text) => this.#addText(text));
    parser.on("opentag", ({ local, uri, attributes }) => {
      const element: XmlElement = { name: local, namespace: uri, text: "", children: [] };
      for (const { local: name, uri: namespace, value } of Object.values(attributes)) {
        if (name !== "type") continue;
        if (namespace === "") element.type = value;
        else if (namespace === SCHEMA_INSTANCE) element.schemaType = value.replace(/^[^:]*:/, "");
      }
      this.#begin(element);
    });
    parser.on("closetag", () => this.#end());
  }

  /** Takes the next bytes. @throws {ProtocolError} if they are no such XML, or too much of it */
  write(bytes: Uint8Array): void {
    this.#feed(this.#decode(() => this.#decoder.decode(bytes, { stream: true })));
  }

  /** The root element, when everything was written. @throws {ProtocolError} if the document is cut */
  end(): XmlElement {
    this.#feed(this.#decode(() => this.#decoder.decode()));
    this.#parser.close();
    if (this.#root === undefined) throw new ProtocolError("the answer is empty");
    return this.#root;
  }

  #decode(decode: () => string): string {
    try {
      return decode();
    } catch (cause) {
      throw new ProtocolError("the answer is not UTF-8", { cause });
    }
  }

  #feed(text: string): void {
    for (let at = 0; at < text.length; at += PIECE_CHARS) {
      const piece = text.slice(at, at + PIECE_CHARS);
      this.#charsSinceEvent += piece.length;
      this.#parser.write(piece);
      if (this.#charsSinceEvent > MAX_PIECE_CHARS) {
        throw new ProtocolError(`the answer has a tag or a text of more than ${MAX_PIECE_CHARS} characters`);
      }
    }
  }

  #begin(element: XmlElement): void {
    this.#charsSinceEvent = 0;
    this.#elementCount++;
    if (this.#open.length >= MAX_DEPTH) {
      throw new ProtocolError(`the answer is nested deeper than ${MAX_DEPTH}`);
    }
    if (this.#elementCount > MAX_ELEMENTS) {
      throw new ProtocolError(`the answer has more than ${MAX_ELEMENTS} elements`);
    }
    this.#root ??= element;
    this.#open.push(element);
  }

  #addText(text: string): void {
    this.#charsSinceEvent = 0;
    const element = this.#open.at(-1);
    if (element === undefined) return;
    this.#textChars += text.length;
    if (this.#textChars > MAX_TEXT_CHARS) {
      throw new ProtocolError(`the answer has more than ${MAX_TEXT_CHARS} characters of text`);
    }
    element.text += text;
  }

  #end(): void {
    this.#charsSinceEvent = 0;
    const element = this.#open.pop()!;
    const parent = this.#open.at(-1);
    // Between elements stands nothing but layout.
    if (element.children.length > 0 && element.text.trim() === "") {
      this.#textChars -= element.text.length;
      element.text = "";
    }
    if (element.name === this.#passing?.name && parent !== undefined) {
      this.#forget(element);
      this.#passing.take(element);
    } else {
      parent?.children.push(element);
    }
  }

  #forget(element: XmlElement): void {
    this.#elementCount--;
    this.#textChars -= element.text.length;
    for (const child of element.children) this.#forget(child);
  }
}

/** The first child of that name. */
export function childOf(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((child) => child.name === name);
}

/** All children of that name: a list has none, one or many of them. */
export function childrenOf(element: XmlElement | undefined, name: string): XmlElement[] {
  return element?.children.filter((child) => child.name === name) ?? [];
}

/** The element at the end of a path of names. */
export function elementAt(element: XmlElement | undefined, ...path: string[]): XmlElement | undefined {
  return path.reduce<XmlElement | undefined>(childOf, element);
}

/** The text at the end of a path; undefined where there is no such element: what is unset is absent. */
export function textAt(element: XmlElement | undefined, ...path: string[]): string | undefined {
  return elementAt(element, ...path)?.text;
}

/**
 * `true` or `1` at the end of a path; undefined where nothing is.
 *
 * @throws {ProtocolError} if it is no boolean
 */
export function booleanAt(element: XmlElement | undefined, ...path: string[]): boolean | undefined {
  const text = textAt(element, ...path)?.trim();
  if (text === undefined) return undefined;
  if (text === "true" || text === "1") return true;
  if (text === "false" || text === "0") return false;
  throw new ProtocolError(`the answer has "${shown(text)}" where ${path.join("/")} is true or false`);
}

/**
 * The whole number at the end of a path; undefined where nothing is.
 *
 * @throws {ProtocolError} if it is no number between 0 and 2^53 - 1
 */
export function integerAt(element: XmlElement | undefined, ...path: string[]): number | undefined {
  const text = textAt(element, ...path)?.trim();
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new ProtocolError(
    `the answer has "${shown(text)}" where ${path.join("/")} is a number from 0 to 2^53 - 1`,
  );
}

const ESCAPES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
  "\r": "&#13;",
};

/**
 * Text for the inside of an element or an attribute.
 *
 * @throws {UsageError} if it has characters that XML 1.0 (2.2) cannot carry; the message does not show the
 * text
 */
export function escapeXml(text: string): string {
  // deno-lint-ignore no-control-regex
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(text) || !text.isWellFormed()) {
    throw new UsageError("Cannot send a text with control characters to a server");
  }
  return text.replace(/[&<>"'\r]/g, (character) => ESCAPES[character]);
}
