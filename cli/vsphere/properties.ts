/** Reads properties of objects: of one, or page by page of all of a kind. */

import { ConnectionError, ProtocolError } from "./errors.ts";
import type { VsphereSession } from "./session.ts";
import { formatRef, type ObjectRef, refElement, refIn, textElement, wrap } from "./soap/envelope.ts";
import { VsphereFault } from "./soap/fault.ts";
import { childOf, childrenOf, elementAt, textAt, type XmlElement } from "./soap/xml.ts";

/** An object with the properties that were asked for. */
export interface ObjectProperties {
  ref: ObjectRef;
  /** By their paths; what is unset, or not to be seen, is absent. */
  values: ReadonlyMap<string, XmlElement>;
  /** Paths that the account may not see, each with the type of the fault. */
  missing: ReadonlyMap<string, string>;
}

/**
 * Objects of an answer, if no other number is told: with all devices, a machine may take thousands of
 * elements.
 */
const PAGE_OBJECTS = 20;
/** A server that always has one more page would never end. */
const MAX_PAGES = 10_000;

/**
 * The properties `paths` of one object.
 *
 * @throws {VsphereFault} `ManagedObjectNotFound` if there is no such object
 */
export async function readProperties(
  session: VsphereSession,
  ref: ObjectRef,
  { paths, signal }: { paths: readonly string[]; signal?: AbortSignal },
): Promise<ObjectProperties> {
  const spec = wrap("specSet", propSet(ref.type, paths) + wrap("objectSet", refElement("obj", ref)));
  const args = spec + "<options/>";
  const { propertyCollector } = session.content;
  const answer = await session.call("RetrievePropertiesEx", propertyCollector, args, { signal });
  const found = childrenOf(childOf(answer, "returnval"), "objects").map(parseObject);
  const object = found.find((object) => formatRef(object.ref) === formatRef(ref));
  if (object === undefined) throw new ProtocolError(`the server tells no properties of ${formatRef(ref)}`);
  return object;
}

/** The objects of a list and their properties. */
export interface ListQuery {
  type: string;
  paths: readonly string[];
  /** Objects of an answer. */
  pageObjects?: number;
  signal?: AbortSignal;
}

/**
 * The properties `paths` of all objects of `type` in the inventory, one page after the other. If the session
 * expires in the midst of it, everything is asked again, once.
 */
export async function readAll(
  session: VsphereSession,
  { type, paths, pageObjects = PAGE_OBJECTS, signal }: ListQuery,
): Promise<ObjectProperties[]> {
  const epoch = session.epoch;
  const read = () => readView(session, { type, paths, pageObjects, signal });
  try {
    return await read();
  } catch (error) {
    // View and token live in the session that has made them.
    const isLost = error instanceof VsphereFault && session.epoch !== epoch;
    if (!isLost && !(error instanceof ConnectionError)) throw error;
    return await read();
  }
}

async function readView(
  session: VsphereSession,
  { type, paths, pageObjects, signal }: ListQuery,
): Promise<ObjectProperties[]> {
  const { viewManager, propertyCollector, rootFolder } = session.content;
  const viewArgs = refElement("container", rootFolder) + textElement("type", type) +
    textElement("recursive", true);
  const view = refIn(
    childOf(await session.call("CreateContainerView", viewManager, viewArgs, { signal }), "returnval"),
    "a view",
  );
  try {
    const traversal = textElement("name", "all") + textElement("type", "ContainerView") +
      textElement("path", "view") + textElement("skip", false);
    const objectSet = refElement("obj", view) + textElement("skip", true) +
      wrap("selectSet", traversal, "TraversalSpec");
    const args = wrap("specSet", propSet(type, paths) + wrap("objectSet", objectSet)) +
      wrap("options", textElement("maxObjects", pageObjects ?? PAGE_OBJECTS));
    return await readPages(session, propertyCollector, { args, signal });
  } finally {
    // A view that stays ends with the session.
    await session.call("DestroyView", view).catch(() => {});
  }
}

async function readPages(
  session: VsphereSession,
  collector: ObjectRef,
  { args, signal }: { args: string; signal?: AbortSignal },
): Promise<ObjectProperties[]> {
  const objects: ObjectProperties[] = [];
  let answer = await session.call("RetrievePropertiesEx", collector, args, { signal });
  for (let pages = 1; pages <= MAX_PAGES; pages++) {
    const result = childOf(answer, "returnval");
    for (const element of childrenOf(result, "objects")) objects.push(parseObject(element));
    const token = textAt(result, "token");
    if (token === undefined) return objects;
    answer = await session.call("ContinueRetrievePropertiesEx", collector, textElement("token", token), {
      signal,
    });
  }
  throw new ProtocolError(`the server has more than ${MAX_PAGES} pages of properties`);
}

function propSet(type: string, paths: readonly string[]): string {
  return wrap(
    "propSet",
    textElement("type", type) + paths.map((path) => textElement("pathSet", path)).join(""),
  );
}

function parseObject(element: XmlElement): ObjectProperties {
  const values = new Map<string, XmlElement>();
  for (const property of childrenOf(element, "propSet")) {
    const name = textAt(property, "name");
    const value = childOf(property, "val");
    if (name !== undefined && value !== undefined) values.set(name, value);
  }
  const missing = new Map<string, string>();
  for (const entry of childrenOf(element, "missingSet")) {
    const path = textAt(entry, "path");
    if (path !== undefined) missing.set(path, elementAt(entry, "fault", "fault")?.schemaType ?? "");
  }
  return { ref: refIn(childOf(element, "obj"), "an object"), values, missing };
}
