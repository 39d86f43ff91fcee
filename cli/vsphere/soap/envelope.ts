/** SOAP 1.1 as vim25 uses it: one call in an envelope, one answer or one fault in another. */

import { ProtocolError } from "../errors.ts";
import { escapeXml, type XmlElement } from "./xml.ts";
import { VsphereFault } from "./fault.ts";

/** A reference to an object of the server. */
export interface ObjectRef {
  /** `VirtualMachine`, `Task` ... */
  type: string;
  /** `vm-42`, `ha-task-7` ...: opaque. */
  value: string;
}

/** `VirtualMachine:vm-42`, for messages and for comparing. */
export function formatRef({ type, value }: ObjectRef): string {
  return `${type}:${value}`;
}

const ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/";
const SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance";
const VIM = "urn:vim25";

/** `<name>text</name>`. */
export function textElement(name: string, value: string | number | boolean): string {
  return `<${name}>${escapeXml(String(value))}</${name}>`;
}

/** `<name type="VirtualMachine">vm-42</name>`. */
export function refElement(name: string, { type, value }: ObjectRef): string {
  return `<${name} type="${escapeXml(type)}">${escapeXml(value)}</${name}>`;
}

/** `<name>...</name>` with elements inside; `schemaType` tells which of several types it is. */
export function wrap(name: string, inner: string, schemaType?: string): string {
  return schemaType === undefined
    ? `<${name}>${inner}</${name}>`
    : `<${name} xsi:type="${schemaType}">${inner}</${name}>`;
}

/**
 * The body of the request that calls `method` of `target`; `args` are elements in the order of the schema.
 */
export function encodeCall(method: string, target: ObjectRef, args: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    `<?xml version="1.0" encoding="UTF-8"?>` +
      `<soapenv:Envelope xmlns:soapenv="${ENVELOPE}" xmlns:xsi="${SCHEMA_INSTANCE}"><soapenv:Body>` +
      `<${method} xmlns="${VIM}">${refElement("_this", target)}${args}</${method}>` +
      `</soapenv:Body></soapenv:Envelope>`,
  );
}

/**
 * The element `...Response` of an answer.
 *
 * @throws {VsphereFault} if the server answers with a fault
 * @throws {ProtocolError} if it is no answer to `method`
 */
export function decodeAnswer(root: XmlElement, method: string): XmlElement {
  if (root.name !== "Envelope" || root.namespace !== ENVELOPE) {
    throw new ProtocolError(`the answer to ${method} is no SOAP 1.1 envelope`);
  }
  const body = root.children.find(({ name, namespace }) => name === "Body" && namespace === ENVELOPE);
  const answer = body?.children[0];
  if (answer === undefined || body!.children.length !== 1) {
    throw new ProtocolError(`the answer to ${method} has no single element in its body`);
  }
  if (answer.name === "Fault" && answer.namespace === ENVELOPE) throw VsphereFault.of(answer, method);
  if (answer.name !== `${method}Response`) {
    throw new ProtocolError(`the answer to ${method} is one to another call`);
  }
  return answer;
}

/** The reference that an element holds. @throws {ProtocolError} if it holds none */
export function refIn(element: XmlElement | undefined, what: string): ObjectRef {
  const value = element?.text.trim();
  if (element?.type === undefined || value === undefined || value === "") {
    throw new ProtocolError(`the answer has no reference where ${what} is expected`);
  }
  return { type: element.type, value };
}
