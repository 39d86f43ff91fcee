/**
 * Certificates for test servers, made when they are needed: keys in the tree would expire and alarm scanners.
 *
 * Written after RFC 5280 (the structure) and X.690 (DER).
 */

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const NULL = 0x05;
const OID = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const BOOLEAN = 0x01;

const OIDS = {
  commonName: [0x55, 0x04, 0x03],
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
  rsaWithSha256: [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b],
  basicConstraints: [0x55, 0x1d, 0x13],
  subjectAltName: [0x55, 0x1d, 0x11],
};

type Bytes = Uint8Array<ArrayBuffer>;

/** A certificate with its key, as `node:tls` takes them. */
export interface TestCertificate {
  cert: string;
  key: string;
  der: Bytes;
  /** `AA:BB:...` */
  sha1: string;
  sha256: string;
  pair: CryptoKeyPair;
  name: string;
}

/** What a certificate says; without `issuer` it is signed with its own key. */
export interface CertificateWish {
  name?: string;
  algorithm?: "RSA" | "EC";
  /** 1 leaves the extensions out. */
  version?: 1 | 3;
  isAuthority?: boolean;
  isExpired?: boolean;
  dnsNames?: string[];
  ipAddresses?: string[];
  issuer?: TestCertificate;
}

const ALGORITHMS = {
  RSA: {
    name: "RSASSA-PKCS1-v1_5",
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: "SHA-256",
  },
  EC: { name: "ECDSA", namedCurve: "P-256" },
};

export async function makeCertificate(wish: CertificateWish = {}): Promise<TestCertificate> {
  const { name = "localhost.localdomain", algorithm = "EC", version = 3, issuer } = wish;
  const pair = await crypto.subtle.generateKey(ALGORITHMS[algorithm], true, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  const signer = (issuer?.pair ?? pair).privateKey;
  const isRsa = signer.algorithm.name === ALGORITHMS.RSA.name;
  const signatureAlgorithm = isRsa
    ? node(SEQUENCE, node(OID, OIDS.rsaWithSha256), node(NULL))
    : node(SEQUENCE, node(OID, OIDS.ecdsaWithSha256));
  const serial = crypto.getRandomValues(new Uint8Array(8));
  serial[0] = serial[0] & 0x7f | 0x40;
  const toBeSigned = node(
    SEQUENCE,
    ...(version === 3 ? [node(0xa0, node(INTEGER, [2]))] : []),
    node(INTEGER, serial),
    signatureAlgorithm,
    distinguishedName(issuer?.name ?? name),
    node(SEQUENCE, utcTime("200101000000Z"), utcTime(wish.isExpired ? "210101000000Z" : "491231235959Z")),
    distinguishedName(name),
    new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey)),
    ...(version === 3 ? [node(0xa3, node(SEQUENCE, ...extensionsOf(wish)))] : []),
  );
  const signature = new Uint8Array(
    await crypto.subtle.sign({ name: signer.algorithm.name, hash: "SHA-256" }, signer, toBeSigned),
  );
  const der = node(
    SEQUENCE,
    toBeSigned,
    signatureAlgorithm,
    node(BIT_STRING, [0], isRsa ? signature : ecdsaSignature(signature)),
  );
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  return {
    cert: pem("CERTIFICATE", der),
    key: pem("PRIVATE KEY", pkcs8),
    der,
    sha1: await hexHash("SHA-1", der),
    sha256: await hexHash("SHA-256", der),
    pair,
    name,
  };
}

function extensionsOf({ isAuthority, dnsNames = [], ipAddresses = [] }: CertificateWish): Bytes[] {
  const names = [
    ...dnsNames.map((text) => node(0x82, new TextEncoder().encode(text))),
    ...ipAddresses.map((text) => node(0x87, text.split(".").map(Number))),
  ];
  const constraints = node(SEQUENCE, ...(isAuthority ? [node(BOOLEAN, [0xff])] : []));
  return [
    node(SEQUENCE, node(OID, OIDS.basicConstraints), node(OCTET_STRING, constraints)),
    ...(names.length === 0
      ? []
      : [node(SEQUENCE, node(OID, OIDS.subjectAltName), node(OCTET_STRING, node(SEQUENCE, ...names)))]),
  ];
}

function distinguishedName(name: string): Bytes {
  const text = node(UTF8_STRING, new TextEncoder().encode(name));
  return node(SEQUENCE, node(SET, node(SEQUENCE, node(OID, OIDS.commonName), text)));
}

function utcTime(text: string): Bytes {
  return node(UTC_TIME, new TextEncoder().encode(text));
}

/** WebCrypto gives r and s side by side, DER wants two integers. */
function ecdsaSignature(raw: Uint8Array): Bytes {
  const half = raw.length / 2;
  return node(SEQUENCE, integer(raw.subarray(0, half)), integer(raw.subarray(half)));
}

function integer(bytes: Uint8Array): Bytes {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const rest = bytes.subarray(start);
  return node(INTEGER, rest[0] > 127 ? [0] : [], rest);
}

function node(tag: number, ...parts: (Uint8Array | number[])[]): Bytes {
  const body = parts.flatMap((part) => [...part]);
  const { length } = body;
  const lengthBytes = length < 128
    ? [length]
    : length < 256
    ? [0x81, length]
    : [0x82, length >> 8, length & 255];
  return new Uint8Array([tag, ...lengthBytes, ...body]);
}

function pem(label: string, der: Uint8Array): string {
  const lines = btoa(String.fromCharCode(...der)).match(/.{1,64}/g)!;
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

async function hexHash(algorithm: string, bytes: Bytes): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest(algorithm, bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join(":");
}
