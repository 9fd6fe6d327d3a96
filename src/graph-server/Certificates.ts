/**
 * X.509 certificates of the embedded drive (RFC 5280): an authority of its own that people may choose to trust, and
 * certificates for the names that clients know. Keys are P-256 and signatures ECDSA with SHA-256.
 *
 * Node makes keys and signatures, but no certificates. The few structures needed are written here in DER (ITU-T X.690):
 * a value is a tag, a length and a content, and a structure is the concatenation of its values.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto"
import { isIPv4 } from "node:net"

/** A certificate and its private key, both PEM. */
export interface KeyedCertificate {
  readonly certificate: string
  readonly key: string
}

const day = 24 * 60 * 60 * 1000

const der = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag, ...lengthOf(content.length)]), content])
}

const lengthOf = (length: number): ReadonlyArray<number> => {
  if (length < 0x80) return [length]
  const bytes: Array<number> = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return [0x80 | bytes.length, ...bytes]
}

const sequence = (...parts: ReadonlyArray<Uint8Array>): Buffer => der(0x30, ...parts)
const octets = (content: Uint8Array): Buffer => der(0x04, content)
const bits = (content: Uint8Array, unused = 0): Buffer => der(0x03, Buffer.from([unused]), content)
const yes = der(0x01, Buffer.from([0xff]))

const base128 = (arc: number): ReadonlyArray<number> => {
  const bytes = [arc % 128]
  for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) bytes.unshift(128 + (left % 128))
  return bytes
}

const oid = (dotted: string): Buffer => {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number)
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

const nameOf = (commonName: string): Buffer =>
  sequence(der(0x31, sequence(oid("2.5.4.3"), der(0x0c, Buffer.from(commonName, "utf8")))))

/** UTCTime until 2049, GeneralizedTime from then on (RFC 5280 section 4.1.2.5). */
const time = (millis: number): Buffer => {
  const digits = new Date(millis).toISOString().replace(/[-:T]|\.\d+/g, "")
  return digits < "2050" ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits))
}

const extension = (id: string, value: Uint8Array, critical = false): Buffer =>
  sequence(oid(id), ...(critical ? [yes] : []), octets(value))

const keyId = (spki: Uint8Array): Buffer => createHash("sha1").update(spki).digest()

const alternativeNames = (names: ReadonlyArray<string>): Buffer =>
  sequence(
    ...names.map((name) =>
      isIPv4(name) ? der(0x87, Buffer.from(name.split(".").map(Number))) : der(0x82, Buffer.from(name, "latin1"))
    )
  )

const ecdsaWithSha256 = sequence(oid("1.2.840.10045.4.3.2"))

const pem = (label: string, content: Uint8Array): string => {
  const lines =
    Buffer.from(content)
      .toString("base64")
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`
}

interface Contents {
  readonly subject: string
  readonly spki: Uint8Array
  readonly issuer: string
  readonly issuerKey: string
  readonly notBefore: number
  readonly notAfter: number
  readonly extensions: ReadonlyArray<Uint8Array>
}

const certify = (contents: Contents): string => {
  const issuerSpki = createPublicKey(contents.issuerKey).export({ type: "spki", format: "der" })
  // Positive and never zero: the first bit is cleared, the second is set.
  const serial = randomBytes(16)
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0)
  const extensions = sequence(
    ...contents.extensions,
    extension("2.5.29.14", octets(keyId(contents.spki))),
    extension("2.5.29.35", sequence(der(0x80, keyId(issuerSpki))))
  )
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    ecdsaWithSha256,
    nameOf(contents.issuer),
    sequence(time(contents.notBefore), time(contents.notAfter)),
    nameOf(contents.subject),
    contents.spki,
    der(0xa3, extensions)
  )
  const signature = sign("sha256", toBeSigned, createPrivateKey(contents.issuerKey))
  return pem("CERTIFICATE", sequence(toBeSigned, ecdsaWithSha256, bits(signature)))
}

const makeKey = () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    spki: publicKey.export({ type: "spki", format: "der" })
  }
}

const authorityName = "OneMount embedded drive, test authority"

/** A new authority, good for ten years from `now` (milliseconds since the epoch). */
export const makeAuthority = (now: number): KeyedCertificate => {
  const { key, spki } = makeKey()
  const certificate = certify({
    subject: authorityName,
    spki,
    issuer: authorityName,
    issuerKey: key,
    notBefore: now - day,
    notAfter: now + 3650 * day,
    // basicConstraints CA, keyUsage keyCertSign and cRLSign
    extensions: [
      extension("2.5.29.19", sequence(yes), true),
      extension("2.5.29.15", bits(Buffer.from([0b0000_0110]), 1), true)
    ]
  })
  return { certificate, key }
}

/** A certificate for a server under these DNS names and IPv4 addresses, good for a year from `now`. */
export const issueCertificate = (
  authority: KeyedCertificate,
  names: readonly [string, ...ReadonlyArray<string>],
  now: number
): KeyedCertificate => {
  const { key, spki } = makeKey()
  const certificate = certify({
    subject: names[0],
    spki,
    issuer: authorityName,
    issuerKey: authority.key,
    notBefore: now - day,
    notAfter: now + 365 * day,
    // no CA, keyUsage digitalSignature, extKeyUsage serverAuth
    extensions: [
      extension("2.5.29.19", sequence(), true),
      extension("2.5.29.15", bits(Buffer.from([0b1000_0000]), 7), true),
      extension("2.5.29.37", sequence(oid("1.3.6.1.5.5.7.3.1"))),
      extension("2.5.29.17", alternativeNames(names))
    ]
  })
  return { certificate, key }
}
