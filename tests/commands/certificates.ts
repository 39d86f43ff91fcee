/** A self-signed certificate and its key, made for the tests alone; `openssl x509 -fingerprint` told the thumbprints. */

/**
 * `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj "/O=vmdkbkp
 * tests/CN=esxi.example"`
 */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBtjCCAVugAwIBAgIUb8K4yUhWn9tP0N1ENNqH3ldjp3cwCgYIKoZIzj0EAwIw
LzEWMBQGA1UECgwNdm1ka2JrcCB0ZXN0czEVMBMGA1UEAwwMZXN4aS5leGFtcGxl
MCAXDTI2MTEyNDEwMTA1MFoYDzIxMjYxMDMxMTAxMDUwWjAvMRYwFAYDVQQKDA12
bWRrYmtwIHRlc3RzMRUwEwYDVQQDDAxlc3hpLmV4YW1wbGUwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAATRuY102Q09qclpvnjiC3R9yphgW/u2VWiJR3n4CEfpaQnC
pUZfXQOVSr1e1VlAQxTU0TYxdHOUQNEE6PHtF4/Po1MwUTAdBgNVHQ4EFgQUcBhs
sN5cvUwkBs4MnB3i7RuHzZowHwYDVR0jBBgwFoAUcBhssN5cvUwkBs4MnB3i7RuH
zZowDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA6eFVzCypWUb4
559VkYNr6AzH4XWdnAyITi3uHLiEJBICIQCjA02GVmAo7o5c92ix6CUB9ltzonxn
4BzodaNBqzd9Sg==
-----END CERTIFICATE-----
`;

export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgsfxVgy8I7jWHc1F7
AIjYYphX2qSb34FxOlJdoHyQkgChRANCAATRuY102Q09qclpvnjiC3R9yphgW/u2
VWiJR3n4CEfpaQnCpUZfXQOVSr1e1VlAQxTU0TYxdHOUQNEE6PHtF4/P
-----END PRIVATE KEY-----
`;

export const SHA1 = "06:D7:21:43:1C:6D:99:DA:44:41:3D:08:48:6E:DB:55:DB:6E:B2:27";
