import { assertEquals, assertRejects } from "@std/assert";
import { ConnectionError, ProtocolError } from "../../../cli/vsphere/errors.ts";
import { exchange, type HttpRequest } from "../../../cli/vsphere/net/http.ts";
import { linkThatSends, MemoryLink } from "../memory_link.ts";

const GET: HttpRequest = { method: "GET", target: "/folder/a.vmx?dcPath=x", headers: {} };
const BOUNDS = { host: "esxi.example", patienceMs: 10_000, maxBodyBytes: 1000 };

/** Status and body of an answer that comes in pieces of `pieceBytes`. */
async function answerTo(text: string, pieceBytes?: number): Promise<[status: number, body: string]> {
  const link = linkThatSends(new TextEncoder().encode(text), pieceBytes);
  const answer = await exchange(link, GET, BOUNDS);
  let body = "";
  for await (const piece of answer.body) body += new TextDecoder().decode(piece);
  return [answer.status, body];
}

Deno.test("an answer ends by its length, its chunks or the end of the connection, however it is cut into pieces", async () => {
  const answers: [string, string][] = [
    ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\n\r\nhellomore", "hello"],
    ["HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello", "hello"],
    ["HTTP/1.0 200\r\n\r\nhello", "hello"],
    [
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n03;x=y\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n",
      "hello",
    ],
    ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"],
    ["HTTP/1.1 204 No Content\r\n\r\n", ""],
  ];
  for (const [text, body] of answers) {
    for (const pieceBytes of [1, 2, 3, 7, 1000]) {
      const [status, found] = await answerTo(text, pieceBytes);
      assertEquals(found, body, `${text} in pieces of ${pieceBytes}`);
      assertEquals(Math.floor(status / 100), 2);
    }
  }
});

Deno.test("an answer that is cut, ambiguous, endless or no HTTP is refused", async () => {
  const header = "HTTP/1.1 200 OK\r\n";
  const refused: [string, typeof ProtocolError | typeof ConnectionError][] = [
    ["", ConnectionError],
    ["HTTP/1.1 200 OK\r\nContent-Le", ConnectionError],
    [`${header}Content-Length: 6\r\n\r\nhello`, ConnectionError],
    [`${header}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, ConnectionError],
    [`${header}Transfer-Encoding: chunked\r\n\r\n5\r\nhello world\r\n0\r\n\r\n`, ProtocolError],
    [`${header}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, ProtocolError],
    [`${header}Transfer-Encoding: chunked\r\n\r\nffffffff\r\n`, ProtocolError],
    [`${header}Transfer-Encoding: gzip, chunked\r\n\r\n`, ProtocolError],
    [`${header}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n`, ProtocolError],
    [`${header}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`, ProtocolError],
    [`${header}Content-Length: -5\r\n\r\n`, ProtocolError],
    [`${header}Content-Length: 1001\r\n\r\n`, ProtocolError],
    [`${header}\r\n${"x".repeat(1001)}`, ProtocolError],
    [`${header}: value\r\n\r\n`, ProtocolError],
    [`${header}no colon\r\n\r\n`, ProtocolError],
    [`${header}${"A: b\r\n".repeat(65)}\r\n`, ProtocolError],
    [`${header}A: ${"b".repeat(9000)}\r\n\r\n`, ProtocolError],
    [`HTTP/1.1 100 Continue\r\n\r\n`.repeat(9), ProtocolError],
    ["SSH-2.0-OpenSSH_9.9\r\n", ProtocolError],
    ["HTTP/2 200\r\n\r\n", ProtocolError],
    ["HTTP/1.1 999 OK\r\n\r\n", ProtocolError],
  ];
  for (const [text, kind] of refused) {
    await assertRejects(() => answerTo(text), kind, "memory:1", text.slice(0, 80));
  }
});

Deno.test("a server that is silent is left when the patience is over", async () => {
  const [near] = MemoryLink.pair();
  await assertRejects(
    () => exchange(near, GET, { ...BOUNDS, patienceMs: 20 }),
    ConnectionError,
    "does not answer within 0.02 s",
  );
  assertEquals(near.isClosed, true);
});

Deno.test("a request goes out whole, with its length, and never with a line end in a header", async () => {
  const link = linkThatSends(new TextEncoder().encode("HTTP/1.1 204 No\r\n\r\n"));
  const body = new TextEncoder().encode("ä");
  await exchange(link, { method: "POST", target: "/sdk", headers: { SOAPAction: '"x"' }, body }, BOUNDS);
  assertEquals(link.written.map((bytes) => new TextDecoder().decode(bytes)), [
    'POST /sdk HTTP/1.1\r\nHost: esxi.example\r\nSOAPAction: "x"\r\nContent-Length: 2\r\nConnection: close\r\n\r\nä',
  ]);
  await assertRejects(
    () => exchange(link, { ...GET, headers: { Cookie: "a=b\r\nX: y" } }, BOUNDS),
    TypeError,
  );
});
