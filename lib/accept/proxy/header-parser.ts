import type { PrefaceParser } from '../stream/preface.ts'
import { malformed } from './malformed.ts'
import type { ParsedHeader } from './parsed-header.ts'
import { LineParser } from './v1.ts'
import { BinaryParser } from './v2.ts'

/**
 * A PROXY header of either version, as it comes: bytes in, however they are split; never one too many. Throws a
 * {@link ProxyProtocolError} as soon as they can be none, and nothing else.
 */
export class HeaderParser implements PrefaceParser {
  readonly #limit: number
  #parser: LineParser | BinaryParser | undefined

  /** @param limit - the longest header of version 2, in bytes; one of version 1 has 107 at most */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** What it says, when all of it has come. */
  get header(): ParsedHeader | undefined {
    return this.#parser?.header
  }

  /** The header, as far as it has come. */
  get bytes(): Buffer {
    return this.#parser?.bytes ?? Buffer.alloc(0)
  }

  get missing(): number {
    return this.#parser?.missing ?? this.#limit
  }

  push(chunk: Buffer): number {
    if (chunk.length === 0) return 0
    this.#parser ??= parserFor(chunk[0] as number, this.#limit)
    return this.#parser.push(chunk)
  }
}

function parserFor(first: number, limit: number): LineParser | BinaryParser {
  switch (first) {
    case 0x50:
      return new LineParser()
    case 0x0d:
      return new BinaryParser(limit)
    default:
      throw malformed('the connection does not begin with one')
  }
}
