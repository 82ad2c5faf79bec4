import type { ProxySSL, ProxyTLV } from '../../proxy-header.ts'
import { crc32cAround } from './crc32c.ts'
import { malformed } from './malformed.ts'
import type { ParsedHeader } from './parsed-header.ts'

/** The types that are known. */
const tlvTypes = {
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  noop: 0x04,
  uniqueId: 0x05,
  ssl: 0x20,
  netns: 0x30
} as const

/** The types within that of TLS. */
const sslTypes = {
  version: 0x21,
  commonName: 0x22,
  cipher: 0x23,
  signatureAlgorithm: 0x24,
  keyAlgorithm: 0x25,
  group: 0x26,
  signatureScheme: 0x27,
  certificate: 0x28
} as const

const sslFlags = { encrypted: 0x01, certificateNow: 0x02, certificateBefore: 0x04 }

const tlvHead = 3
const sslHead = 5
const crcSize = 4
const longestUniqueId = 128

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

type Said = Pick<ParsedHeader, 'tlvs' | 'alpn' | 'authority' | 'uniqueId' | 'netns' | 'ssl'>

/**
 * The TLVs of a header of version 2, and what the known ones say. Throws where they do not fill it exactly, where one that
 * is known is there twice or wrong, or where the header is not what its checksum says.
 *
 * @param bytes - the whole header
 * @param from - where they begin
 */
export function readTLVs(bytes: Buffer, from: number): Said {
  const tlvs = split(bytes, from)
  const known = byType(tlvs, Object.values(tlvTypes))
  checkSum(bytes, known.get(tlvTypes.crc32c))
  const uniqueId = known.get(tlvTypes.uniqueId)
  if (uniqueId !== undefined && uniqueId.length > longestUniqueId) {
    throw malformed(`its unique id is longer than ${longestUniqueId} bytes`)
  }
  return {
    tlvs,
    alpn: known.get(tlvTypes.alpn)?.toString('latin1'),
    authority: text(known.get(tlvTypes.authority)),
    uniqueId,
    netns: known.get(tlvTypes.netns)?.toString('latin1'),
    ssl: readSSL(known.get(tlvTypes.ssl))
  }
}

function split(bytes: Buffer, from: number): ProxyTLV[] {
  const tlvs: ProxyTLV[] = []
  for (let at = from; at < bytes.length; ) {
    const begin = at + tlvHead
    const end = begin <= bytes.length ? begin + bytes.readUInt16BE(at + 1) : begin
    if (end > bytes.length) throw malformed('its last TLV is longer than its room')
    tlvs.push({ type: bytes[at] as number, value: bytes.subarray(begin, end) })
    at = end
  }
  return tlvs
}

function byType(tlvs: readonly ProxyTLV[], types: readonly number[]): Map<number, Buffer> {
  const found = new Map<number, Buffer>()
  for (const { type, value } of tlvs) {
    if (type === tlvTypes.noop || !types.includes(type)) continue
    // Which of them is meant nobody can tell.
    if (found.has(type)) throw malformed(`its TLV of type ${type} is there twice`)
    found.set(type, value)
  }
  return found
}

function checkSum(bytes: Buffer, sum: Buffer | undefined): void {
  if (sum === undefined) return
  if (sum.length !== crcSize) throw malformed(`its checksum has ${sum.length} bytes`)
  if (crc32cAround(bytes, sum.byteOffset - bytes.byteOffset) !== sum.readUInt32BE(0)) {
    throw malformed('its checksum is that of another')
  }
}

function text(value: Buffer | undefined): string | undefined {
  if (value === undefined) return undefined
  try {
    return utf8.decode(value)
  } catch {
    throw malformed('a name of it is not UTF-8')
  }
}

function readSSL(value: Buffer | undefined): ProxySSL | undefined {
  if (value === undefined) return undefined
  if (value.length < sslHead) throw malformed('what it says of TLS is cut short')
  const flags = value[0] as number
  const known = byType(split(value, sslHead), Object.values(sslTypes))
  const ascii = (type: number): string | undefined => known.get(type)?.toString('latin1')
  const hasCertificate = (flags & (sslFlags.certificateNow | sslFlags.certificateBefore)) !== 0
  return {
    encrypted: (flags & sslFlags.encrypted) !== 0,
    hasCertificate,
    // Nothing is wrong with a certificate that was not shown, too.
    authorized: hasCertificate && value.readUInt32BE(1) === 0,
    version: ascii(sslTypes.version),
    commonName: text(known.get(sslTypes.commonName)),
    cipher: ascii(sslTypes.cipher),
    signatureAlgorithm: ascii(sslTypes.signatureAlgorithm),
    keyAlgorithm: ascii(sslTypes.keyAlgorithm),
    group: ascii(sslTypes.group),
    signatureScheme: ascii(sslTypes.signatureScheme),
    certificate: known.get(sslTypes.certificate)
  }
}
