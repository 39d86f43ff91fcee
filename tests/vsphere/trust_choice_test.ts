import { assertEquals, assertRejects } from "@std/assert";
import { UsageError } from "../../cli/errors.ts";
import { chooseTrust } from "../../cli/vsphere/trust_choice.ts";
import { makeCertificate } from "./certificates.ts";

Deno.test("a server is believed by a thumbprint or by a file of authorities, never by nothing", async () => {
  const { cert, sha1, sha256 } = await makeCertificate({ isAuthority: true });
  const folder = Deno.makeTempDirSync();
  try {
    const caFile = `${folder}/ca.pem`;
    Deno.writeTextFileSync(caFile, `# ours\n${cert}`);
    assertEquals(await chooseTrust({ thumbprint: sha1 }), { thumbprint: { algorithm: "SHA-1", text: sha1 } });
    assertEquals(await chooseTrust({ thumbprint: sha256 }), {
      thumbprint: { algorithm: "SHA-256", text: sha256 },
    });
    assertEquals(await chooseTrust({ caFile }), { authoritiesPem: cert });
    await assertRejects(() => chooseTrust({}), UsageError, "neither");
    await assertRejects(() => chooseTrust({ thumbprint: sha1, caFile }), UsageError, "both");
    await assertRejects(() => chooseTrust({ thumbprint: "AA:BB" }), UsageError, "40 hex digits");
    await assertRejects(() => chooseTrust({ caFile: `${folder}/none` }), UsageError, "none");
    Deno.writeTextFileSync(caFile, "no certificate");
    await assertRejects(() => chooseTrust({ caFile }), UsageError, "no certificate in PEM");
    Deno.writeTextFileSync(caFile, `${cert}${cert.replace("\n", "\n!")}`);
    await assertRejects(() => chooseTrust({ caFile }), UsageError, "certificate 2 is damaged");
    Deno.writeTextFileSync(caFile, cert.slice(0, -20));
    await assertRejects(() => chooseTrust({ caFile }), UsageError, "no certificate in PEM");
    Deno.truncateSync(caFile, 9 << 20);
    await assertRejects(() => chooseTrust({ caFile }), UsageError, "at most");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
