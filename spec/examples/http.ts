import {
  LimitExceededError,
  StreamRequestHandler,
  ThreadingUnixStreamServer,
  UnexpectedEOFError,
  type UnixStreamServerOptions
} from 'it-socketserver'

/** A request's head, and its body. */
interface Exchange {
  readonly method: string
  readonly path: string
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

/** What goes back. */
interface Answer {
  readonly status: string
  readonly body: string | Buffer
}

const longestHead = 16_384
const longestBody = 1_048_576

/** A request that can't be served; what follows it can't be understood either. */
class BadRequest extends Error {}

/**
 * HTTP/1.1 as far as a health check or a control socket needs it: keep-alive and pipelining, bodies with a
 * Content-Length, HEAD, `Expect: 100-continue`. What it does not know it refuses.
 */
class HTTPHandler extends StreamRequestHandler {
  override timeout = 30_000

  override async handle(): Promise<void> {
    try {
      while (await this.#serve());
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error
      await this.#send({ status: error.message, body: `${error.message}\n` }, 'close')
    }
  }

  /** Override to answer something else. */
  answer({ method, path, body }: Exchange): Answer {
    if (path === '/health') return { status: '200 OK', body: 'well\n' }
    if (path === '/upper' && method === 'POST') return { status: '200 OK', body: body.toString().toUpperCase() }
    return { status: '404 Not Found', body: `nothing is at ${path}\n` }
  }

  /** One exchange; whether another may follow. */
  async #serve(): Promise<boolean> {
    const head = await this.#head()
    if (head === undefined) return false
    const [requestLine = '', ...lines] = head.split('\r\n')
    const [, method, path, version] = /^([A-Z]+) (\S+) HTTP\/(1\.[01])$/.exec(requestLine) ?? []
    if (method === undefined || path === undefined) throw new BadRequest('400 Bad Request')
    const headers = new Map(lines.map(header))
    if (version === '1.1' && !headers.has('host')) throw new BadRequest('400 Bad Request')
    const exchange = { method, path, headers, body: await this.#body(headers) }
    const connection = headers.get('connection')?.toLowerCase() ?? (version === '1.0' ? 'close' : '')
    // Those who have asked are still answered while the server closes, but nobody stays.
    const stays = connection !== 'close' && !this.request.stopping.aborted
    await this.#send(this.answer(exchange), stays ? 'keep-alive' : 'close', method === 'HEAD')
    return stays
  }

  async #head(): Promise<string | undefined> {
    try {
      const head = await this.rfile.readUntil('\r\n\r\n', { limit: longestHead })
      return head?.toString('latin1').slice(0, -4)
    } catch (error) {
      if (error instanceof LimitExceededError) throw new BadRequest('431 Request Header Fields Too Large')
      if (error instanceof UnexpectedEOFError) throw new BadRequest('400 Bad Request')
      throw error
    }
  }

  async #body(headers: ReadonlyMap<string, string>): Promise<Buffer> {
    if (headers.has('transfer-encoding')) throw new BadRequest('501 Not Implemented')
    const length = headers.get('content-length') ?? '0'
    if (!/^\d{1,15}$/.test(length)) throw new BadRequest('400 Bad Request')
    if (Number(length) > longestBody) throw new BadRequest('413 Content Too Large')
    if (headers.get('expect') === '100-continue') await this.wfile.write('HTTP/1.1 100 Continue\r\n\r\n')
    if (length === '0') return Buffer.alloc(0)
    const body = await this.rfile.readExactly(Number(length))
    if (body === undefined) throw new BadRequest('400 Bad Request')
    return body
  }

  async #send({ status, body }: Answer, connection: string, headOnly = false): Promise<void> {
    const length = Buffer.byteLength(body)
    const head = `HTTP/1.1 ${status}\r\nContent-Length: ${length}\r\nConnection: ${connection}\r\n\r\n`
    this.wfile.write(head).catch(() => {})
    await this.wfile.write(headOnly ? '' : body)
  }
}

function header(line: string): [string, string] {
  const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
  if (name === undefined || value === undefined) throw new BadRequest('400 Bad Request')
  return [name.toLowerCase(), value]
}

/** A server that answers `curl --unix-socket path http://localhost/health`. */
export class HTTPServer extends ThreadingUnixStreamServer {
  constructor(options: UnixStreamServerOptions) {
    super({ ...options, limit: 1_000 }, HTTPHandler)
  }
}
