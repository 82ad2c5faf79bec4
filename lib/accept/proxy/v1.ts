import { isIPv6 } from 'node:net'
import { type InternetAddress, internetAddress } from '../../address.ts'
import { canonicalIPv6 } from './ipv6-text.ts'
import { malformed } from './malformed.ts'
import { bareHeader, type ParsedHeader } from './parsed-header.ts'

/** The longest line, its end included. */
const longestLine = 107

const beginning = Buffer.from('PROXY ')
const carriageReturn = 13
const newline = 10

const decimal = /^(?:0|[1-9]\d{0,4})$/
const octet = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const dotted = new RegExp(`^${octet}(?:\\.${octet}){3}$`)
// No zone: it is the proxy's affair.
const hexadecimal = /^[\da-f:.]{2,45}$/i

/** The line of version 1, as it comes. */
export class LineParser {
  readonly #line = Buffer.allocUnsafeSlow(longestLine)
  #size = 0
  #header: ParsedHeader | undefined

  /** What the line says, when all of it has come. */
  get header(): ParsedHeader | undefined {
    return this.#header
  }

  /** The line, as far as it has come. */
  get bytes(): Buffer {
    return this.#line.subarray(0, this.#size)
  }

  /** The most bytes that may be missing. */
  get missing(): number {
    return this.#header === undefined ? longestLine - this.#size : 0
  }

  /**
   * Take what belongs to the line.
   *
   * @returns how many bytes of the chunk
   */
  push(chunk: Buffer): number {
    for (let i = 0; i < chunk.length && this.#header === undefined; i++) {
      if (this.#add(chunk[i] as number)) {
        this.#header = said(this.#line.toString('latin1', 0, this.#size - 2))
        return i + 1
      }
    }
    return this.#header === undefined ? chunk.length : 0
  }

  /** Whether the line is complete. */
  #add(byte: number): boolean {
    const at = this.#size
    if (at < beginning.length && byte !== beginning[at]) throw malformed('the connection does not begin with one')
    if (at >= longestLine) throw malformed(`its line is longer than ${longestLine} bytes`)
    this.#line[at] = byte
    this.#size++
    const isEnded = this.#line[at - 1] === carriageReturn
    if (at > 0 && isEnded !== (byte === newline)) throw malformed('its line does not end with CR and LF')
    if (at > 0 && isEnded) return true
    if (this.#size === longestLine) throw malformed(`its line is longer than ${longestLine} bytes`)
    return false
  }
}

function said(line: string): ParsedHeader {
  const [, protocol, ...rest] = line.split(' ')
  const header = bareHeader(1, 'PROXY')
  switch (protocol) {
    case 'UNKNOWN':
      return header
    case 'TCP4':
      return { ...header, ...ends(rest, ipv4) }
    case 'TCP6':
      return { ...header, ...ends(rest, ipv6) }
    default:
      throw malformed('its protocol is none of TCP4, TCP6 and UNKNOWN')
  }
}

type Reader = (text: string, port: number) => InternetAddress

function ends(words: readonly string[], read: Reader): Pick<ParsedHeader, 'source' | 'destination'> {
  const [source = '', destination = '', from = '', to = ''] = words
  if (words.length !== 4) throw malformed('its line does not hold two addresses and two ports')
  return { source: read(source, portOf(from)), destination: read(destination, portOf(to)) }
}

function portOf(text: string): number {
  const port = decimal.test(text) ? Number(text) : Number.NaN
  if (!(port <= 65_535)) throw malformed('a port of it is none')
  return port
}

function ipv4(text: string, port: number): InternetAddress {
  if (!dotted.test(text)) throw malformed('an IPv4 address of it is none')
  return internetAddress('IPv4', text, port)
}

function ipv6(text: string, port: number): InternetAddress {
  if (!hexadecimal.test(text) || !isIPv6(text)) throw malformed('an IPv6 address of it is none')
  return internetAddress('IPv6', canonicalIPv6(text), port)
}
