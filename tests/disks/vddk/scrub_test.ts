import { assert, assertEquals } from "@std/assert";
import { scrub } from "../../../cli/disks/vddk/scrub.ts";

const PASSWORD = `pä"ss\\w/o&r<d >'%25!`;

/** The forms in which the password may occur. */
const FORMS: Record<string, string> = {
  plain: PASSWORD,
  JSON: JSON.stringify({ password: PASSWORD }),
  "a part of a URI": `https://root:${encodeURIComponent(PASSWORD)}@esxi`,
  "a part of a URI with small letters": encodeURIComponent(PASSWORD).toLowerCase(),
  "a whole URI": encodeURI(PASSWORD),
  "a form": new URLSearchParams({ user: "root", password: PASSWORD }).toString(),
  "XML text": `<password>pä"ss\\w/o&amp;r&lt;d &gt;'%25!</password>`,
  "an XML attribute": `password="pä&quot;ss\\w/o&amp;r&lt;d &gt;&apos;%25!"`,
};

for (const [name, text] of Object.entries(FORMS)) {
  Deno.test(`scrub() finds a password in ${name}`, () => {
    const scrubbed = scrub(`before ${text} between ${text} after`, PASSWORD);
    assert(/^before .*\*\*\*.* between .*\*\*\*.* after$/.test(scrubbed), scrubbed);
    assert(!/ss|25/.test(scrubbed.replaceAll("password", "")), scrubbed);
  });
}

Deno.test("scrub() removes the longest form first", () => {
  assertEquals(scrub("a%2525 a%25", "a%25"), "*** ***");
});

Deno.test("scrub() treats special characters of patterns literally", () => {
  assertEquals(scrub("a.*b$& a.xb$&", "a.*b$&"), "*** a.xb$&");
});

Deno.test("scrub() ignores passwords of less than four characters", () => {
  assertEquals(scrub("Cannot open the disk", "the"), "Cannot open the disk");
  assertEquals(scrub("Cannot open the disk", ""), "Cannot open the disk");
  assertEquals(scrub("Cannot open the disk", "disk"), "Cannot open the ***");
});
