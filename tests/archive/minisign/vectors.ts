/** Keys and signatures that other programs made. */

const encoder = new TextEncoder();
export const utf8 = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text);

/** The key with which the releases of minisign are signed, from minisign's README. */
export const PUBLISHED_KEY = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
export const PUBLISHED_KEY_ID = "E7620F1842B4E81F";

/** Published signatures of a file with the content "test", from the tests of minisign-verify and rsign2. */
export const PUBLISHED_MESSAGE: Uint8Array = utf8("test");
export const PUBLISHED_SIGNATURES: readonly { isHashed: boolean; comment: string; text: string }[] = [
  {
    isHashed: true,
    comment: "timestamp:1556193335\tfile:test",
    text: `untrusted comment: signature from minisign secret key
RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=
trusted comment: timestamp:1556193335\tfile:test
y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==
`,
  },
  {
    isHashed: false,
    comment: "timestamp:1555779966\tfile:test",
    text: `untrusted comment: signature from minisign secret key
RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
trusted comment: timestamp:1555779966\tfile:test
QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==
`,
  },
];

/** A pair of keys as files, and the password of the secret one. */
export interface MadePair {
  publicText: string;
  secretText: string;
  password?: string;
}

/** Made by `minisign -G -W`, version 0.11: not encrypted, and the checksum is zero. */
export const PLAIN_PAIR: MadePair = {
  publicText: `untrusted comment: minisign public key B2A51186276DB436
RWQ2tG0nhhGlsht+RFfzs2tH/I9CbecQ7/S85FNPqvg7uGUoAwUQUYoc
`,
  secretText: `untrusted comment: minisign encrypted secret key
RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAANrRtJ4YRpbLn73ZW02L4CWTb2jmxH4oIpMxkrMyeuHGDaTeBT+58wxt+RFfzs2tH/I9CbecQ7/S85FNPqvg7uGUoAwUQUYocAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
`,
};

/** Made by `minisign -G` and `minisign -C -W`, version 0.11: no longer encrypted, with salt, limits and checksum. */
export const OPENED_PAIR: MadePair = {
  publicText: `untrusted comment: minisign public key E64A773BB3554C9E
RWSeTFWzO3dK5oQRigZ/JkEm9gG7zlbeC2qyUNUh50nOSzdC37Rxnkk/
`,
  secretText: `untrusted comment: minisign encrypted secret key
RWQAAEIyAzWuXSLGC6VNtsMNx0RcajDjSIexOQtRp2nIItz0SmoAAAACAAAAAAAAAEAAAAAAnkxVszt3SuZDqSvFAT3OY0hHVLHPzr0mua743be8Ox5aSyw683UiE4QRigZ/JkEm9gG7zlbeC2qyUNUh50nOSzdC37Rxnkk/4Q744sg8nGAHgVKBsKd1BvYxsyzCj98vtLEwzKoucQM=
`,
};

/** Made by `minisign -G`, version 0.11, in a process with 30 MB, so that it uses 16 MiB instead of 1 GiB. */
export const ENCRYPTED_PAIR: MadePair = {
  publicText: `untrusted comment: minisign public key 2489640055B870E9
RWTpcLhVAGSJJCXhHrQzy+z0Truwy+rsbZsGbNolU1bqzUn+MKuGlHtQ
`,
  secretText: `untrusted comment: minisign encrypted secret key
RWRTY0IyKDN6V5LwN2YFVehC2U2bsQ4dfp5k5J3LtyInhL8vMugAAAgAAAAAAAAAAAEAAAAAWzTxJosqjdwJFXRxb9B7vtWhqOtnhyldfnXJ9Ewp+P+xFkZHWAUu2nfS89yrXIxD+QiO8/59+vhnimEwWgeJU2EA3QixgV1Yb66fM6GQQvZm5Xbdosep1z0iuI9OVUIMmyESu9TcT10=
`,
  password: "secret",
};
