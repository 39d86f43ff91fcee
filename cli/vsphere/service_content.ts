/** The first answer of a server: what it is, and where its services are. */

import { ProtocolError, shown } from "./errors.ts";
import { type ObjectRef, refIn } from "./soap/envelope.ts";
import { childOf, elementAt, textAt, type XmlElement } from "./soap/xml.ts";

/** The one object that is known before anything was asked. */
export const SERVICE_INSTANCE: ObjectRef = { type: "ServiceInstance", value: "ServiceInstance" };

/** The answer to `RetrieveServiceContent`, as far as the program uses it. */
export interface ServiceContent {
  isVCenter: boolean;
  /** `VMware ESXi 8.0.1 build-21495797`. */
  fullName: string;
  /** `8.0.1.0`. */
  apiVersion: string;
  rootFolder: ObjectRef;
  propertyCollector: ObjectRef;
  sessionManager: ObjectRef;
  viewManager: ObjectRef;
  searchIndex: ObjectRef;
  /** Absent where rights cannot be asked for. */
  authorizationManager?: ObjectRef;
}

/** @throws {ProtocolError} if a service is missing, or the server is neither ESXi nor vCenter */
export function parseServiceContent(element: XmlElement | undefined): ServiceContent {
  const apiType = textAt(element, "about", "apiType");
  if (apiType !== "HostAgent" && apiType !== "VirtualCenter") {
    throw new ProtocolError(
      `the server calls its interface "${
        shown(apiType ?? "")
      }": HostAgent (ESXi) or VirtualCenter is expected`,
    );
  }
  const apiVersion = textAt(element, "about", "apiVersion") ?? "";
  if (!/^\d[\d.]{0,20}$/.test(apiVersion)) {
    throw new ProtocolError(`the server's interface has the version "${shown(apiVersion)}"`);
  }
  const service = (name: string) => refIn(childOf(element, name), name);
  const authorizationManager = elementAt(element, "authorizationManager");
  return {
    isVCenter: apiType === "VirtualCenter",
    fullName: shown(textAt(element, "about", "fullName") ?? ""),
    apiVersion,
    rootFolder: service("rootFolder"),
    propertyCollector: service("propertyCollector"),
    sessionManager: service("sessionManager"),
    viewManager: service("viewManager"),
    searchIndex: service("searchIndex"),
    ...(authorizationManager
      ? { authorizationManager: refIn(authorizationManager, "authorizationManager") }
      : {}),
  };
}
