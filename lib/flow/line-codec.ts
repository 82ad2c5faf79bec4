import { count, known, text } from '../arguments.ts'
import type { FrameCodec } from './frame-codec.ts'

/** How {@link lines} reads and writes. */
export interface LineCodecOptions {
  /** The longest line, in bytes, with its terminator: 65,536 by default. A longer one ends its connection. */
  readonly limit?: number
  /** What ends a reply: `'\n'` by default. */
  readonly eol?: string
}

/** What {@link lines} makes. */
export interface LineCodec extends FrameCodec {
  /** The longest line, in bytes, with its terminator: it may be changed, for the connections that come from then on. */
  limit: number
}

/**
 * A codec for {@link framed}: a line is a message, and a reply is a line. Lines end with `\n` or `\r\n`, which the message
 * does not hold; a last line without terminator is one too.
 *
 * @param options - the longest line, and what ends a reply
 *
 * @example
 * const server = await new TCPServer({ port: 0 }).listen()
 * const codec = lines({ limit: 1_000, eol: '\r\n' })
 * const serving = pipe(server, framed(codec), parallel((request: Request) => pipe(request, request)), drain)
 * assert.equal(await exchange(server.address, 'a\r\nb\r\n'), 'a\r\nb\r\n')
 * await server.close()
 * await serving
 */
export function lines(options: LineCodecOptions = {}): LineCodec {
  known('lines', options, ['limit', 'eol'])
  let limit = limitOf(options.limit)
  const eol = Buffer.from(text('eol', options.eol, '\n'))
  return {
    get limit() {
      return limit
    },
    set limit(bytes) {
      limit = limitOf(bytes)
    },
    decode: (rfile) => rfile.lines({ limit, chomp: true }),
    encode: (message) => {
      const line = Buffer.allocUnsafe(message.length + eol.length)
      line.set(message)
      line.set(eol, message.length)
      return line
    }
  }
}

function limitOf(bytes: number | undefined): number {
  return count('limit', bytes, 65_536)
}
