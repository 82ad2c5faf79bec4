import type { Address } from '../../address.ts'
import type { ProxyHeader } from '../../proxy-header.ts'
import { HeaderParser } from './header-parser.ts'

/** A header as it was read. */
export interface ReadHeader {
  /** What it says. */
  readonly header: ProxyHeader
  /** Its bytes, to be read again elsewhere. */
  readonly bytes: Buffer
}

/** The same as text, for another process or thread. */
export interface HeaderRecord {
  readonly proxyAddress: Address | undefined
  /** Its bytes, as Base64. */
  readonly bytes: string
}

/** What a parser has read. */
export function readHeader(parser: HeaderParser, proxyAddress: Address | undefined): ReadHeader {
  const { header, bytes } = parser
  if (header === undefined) throw new Error('The header is not complete')
  return { header: { ...header, proxyAddress }, bytes }
}

/** A header on its way. */
export function recordHeader({ header, bytes }: ReadHeader): HeaderRecord {
  return { proxyAddress: header.proxyAddress, bytes: bytes.toString('base64') }
}

/** A header that has arrived. */
export function reviveHeader({ proxyAddress, bytes: text }: HeaderRecord): ReadHeader {
  const bytes = Buffer.from(text, 'base64')
  const parser = new HeaderParser(bytes.length)
  parser.push(bytes)
  return readHeader(parser, proxyAddress)
}
