import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../cli/errors.ts";
import { ProtocolError } from "../../../cli/vsphere/errors.ts";
import {
  booleanAt,
  childrenOf,
  elementAt,
  escapeXml,
  integerAt,
  type Passing,
  textAt,
  type XmlElement,
  XmlReader,
} from "../../../cli/vsphere/soap/xml.ts";

const XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';

function parse(
  text: string,
  { pieceBytes = 1000, passing }: { pieceBytes?: number; passing?: Passing } = {},
): XmlElement {
  const reader = new XmlReader(passing);
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) reader.write(bytes.subarray(at, at + pieceBytes));
  return reader.end();
}

Deno.test("values stay text, and both attributes called type are kept apart by their namespaces", () => {
  const text = `<?xml version="1.0" encoding="UTF-8"?>
    <r xmlns="urn:vim25" xmlns:XMLSchema-instance="http://www.w3.org/2001/XMLSchema-instance">
      <name>007</name><name>1e3</name><name>a&#34;b&lt;&#x20AC;</name>
      <val XMLSchema-instance:type="vim25:ManagedObjectReference" type="Folder">group-v3</val><on>true</on>
      <big>9007199254740991</big></r>`;
  for (const pieceBytes of [1, 2, 3, 5, 64, 10_000]) {
    const root = parse(text, { pieceBytes });
    assertEquals(childrenOf(root, "name").map(({ text }) => text), ["007", "1e3", 'a"b<€']);
    const value = elementAt(root, "val")!;
    assertEquals([value.type, value.schemaType, value.text], [
      "Folder",
      "ManagedObjectReference",
      "group-v3",
    ]);
    assertEquals(booleanAt(root, "on"), true);
    assertEquals(integerAt(root, "big"), Number.MAX_SAFE_INTEGER);
    assertEquals(textAt(root, "unset"), undefined);
    assertEquals(integerAt(root, "unset", "more"), undefined);
  }
});

Deno.test("a number or a boolean that is none is refused", () => {
  const root = parse("<r><a>-1</a><b>1e3</b><c>9007199254740992</c><d></d><e>99999999999999999999</e></r>");
  for (const name of ["a", "b", "c", "d", "e"]) {
    assertThrows(() => integerAt(root, name), ProtocolError, name);
    assertThrows(() => booleanAt(root, name), ProtocolError, name);
  }
});

Deno.test("XML that is cut, not well-formed, of another encoding or with a document type is refused", () => {
  const documents = [
    "",
    "<a>",
    "<a></b>",
    "<a><b></a></b>",
    "<a/><b/>",
    "text",
    "<a x='1' x='2'/>",
    "<a>&unknown;</a>",
    "<a>&#0;</a>",
    "<a>\u0001</a>",
    "<p:a/>",
    '<?xml version="1.0" encoding="ISO-8859-1"?><a/>',
    '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "<!DOCTYPE a><a/>",
    "<a><?php x ?></a>",
  ];
  for (const text of documents) assertThrows(() => parse(text), ProtocolError, undefined, text);
  const reader = new XmlReader();
  assertThrows(() => reader.write(new Uint8Array([0x3c, 0x61, 0x3e, 0xff, 0xfe])), ProtocolError, "UTF-8");
});

Deno.test("depth, number of elements and lengths are bounded", () => {
  const many = (count: number, text: string) => text.repeat(count);
  assertThrows(() => parse(many(101, "<a>")), ProtocolError, "deeper");
  assertThrows(
    () => parse(`<a>${many(400_001, "<b/>")}</a>`, { pieceBytes: 65536 }),
    ProtocolError,
    "elements",
  );
  assertThrows(
    () => parse(`<a b="${many(5 << 20, "x")}"/>`, { pieceBytes: 65536 }),
    ProtocolError,
    "characters",
  );
  assertThrows(
    () => parse(`<a>${many(5 << 20, "x")}</a>`, { pieceBytes: 65536 }),
    ProtocolError,
    "characters",
  );
  assertThrows(
    () => parse(`<a><!--${many(5 << 20, "x")}--></a>`, { pieceBytes: 65536 }),
    ProtocolError,
    "characters",
  );
  assertThrows(
    () => parse(`<a>${many(20, `<b>${many(1 << 20, "x")}</b>`)}</a>`, { pieceBytes: 65536 }),
    ProtocolError,
    "characters of text",
  );
});

Deno.test("elements that are handed over are not kept, however many there are", () => {
  let sum = 0;
  const passing: Passing = { name: "area", take: (element) => sum += integerAt(element, "start")! };
  // More elements than a tree may have.
  const count = 150_000;
  const reader = new XmlReader(passing);
  reader.write(new TextEncoder().encode(`<r ${XSI}>`));
  const piece = new TextEncoder().encode(
    "<area><start>2</start><length>65536</length></area>\n".repeat(1000),
  );
  for (let i = 0; i < count / 1000; i++) reader.write(piece);
  reader.write(new TextEncoder().encode("<end>1</end></r>"));
  const root = reader.end();
  assertEquals(sum, 2 * count);
  assertEquals(root.children.map(({ name }) => name), ["end"]);
});

Deno.test("text is escaped so that it comes back as it was", () => {
  const text = `<>&"'\r\n\t ]]> ä €`;
  assertEquals(parse(`<a>${escapeXml(text)}</a>`).text, text);
  assertThrows(() => escapeXml("a\0b"), UsageError);
  assertThrows(() => escapeXml("a\ud800b"), UsageError);
});
