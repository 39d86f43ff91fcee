/** The refusal of a call by the server. */

import { ServerError } from "../../errors.ts";
import { shown } from "../errors.ts";
import { childOf, childrenOf, textAt, type XmlElement } from "./xml.ts";

/** The parts of a fault. */
interface FaultParts {
  method: string;
  faultType: string;
  serverText: string;
  /** The property or argument that the fault is about. */
  property?: string;
}

/** A fault of the vSphere API, with the server's own words. */
export class VsphereFault extends ServerError {
  override name = "VsphereFault";
  /** The call, or the task, that it answers. */
  readonly method: string;
  /**
   * The type of the fault: `InvalidLogin`, `NotAuthenticated`, `FileFault` ...; empty if the server told
   * none.
   */
  readonly faultType: string;
  /** The server's own sentence. */
  readonly serverText: string;
  /** Of `InvalidArgument`: which argument. */
  readonly property?: string;

  constructor({ method, faultType, serverText, property }: FaultParts, options?: ErrorOptions) {
    const kind = [faultType, property].filter((part) => part).join(" of ");
    super(`the server refuses ${method}: ${serverText}${kind === "" ? "" : ` (${kind})`}`, options);
    this.method = method;
    this.faultType = faultType;
    this.serverText = serverText;
    this.property = property;
  }

  /** The fault of the element `Fault` (SOAP 1.1, 4.4). */
  static of(element: XmlElement, method: string): VsphereFault {
    const detail = childOf(element, "detail")?.children[0];
    const words = textAt(element, "faultstring") ?? "";
    return new VsphereFault({ method, ...partsOf(detail, words) });
  }

  /** The fault in `info.error` of a task, whose type is `LocalizedMethodFault`. */
  static ofTask(element: XmlElement, method: string): VsphereFault {
    const words = textAt(element, "localizedMessage") ?? "";
    return new VsphereFault({ method, ...partsOf(childOf(element, "fault"), words) });
  }

  /** The same fault with other words in it: for words that hold a secret. */
  withText(change: (text: string) => string): VsphereFault {
    const { method, faultType, serverText, property } = this;
    return new VsphereFault({
      method,
      faultType: change(faultType),
      serverText: change(serverText),
      property: property && change(property),
    });
  }
}

function partsOf(detail: XmlElement | undefined, words: string): Omit<FaultParts, "method"> {
  const faultType = shown(detail?.schemaType ?? detail?.name.replace(/Fault$/, "") ?? "");
  // A sentence is missing in some faults; their messages may have one.
  const messages = childrenOf(detail, "faultMessage").map((message) => textAt(message, "message") ?? "");
  const property = textAt(detail, "invalidProperty");
  const serverText = shown([words, ...messages].find((text) => text.trim() !== "") ?? "") ||
    "it gives no reason";
  return { faultType, serverText, ...(property ? { property: shown(property) } : {}) };
}
