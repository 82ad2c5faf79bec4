import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  BaseServer,
  type Handler,
  parallel,
  StreamRequestHandler,
  sequential,
  TCPServer,
  through,
  UDPServer,
  UnixStreamServer,
  verify
} from '../../lib/index.ts'
import { exchange, temporaryPath } from '../support/peers.ts'
import { QuietTCPServer } from '../support/quiet.ts'

/** A value, the class of the error that it gets, and words that the message has besides the option's name. */
type Wrong = readonly [value: unknown, error: typeof TypeError | typeof RangeError, ...words: string[]]

const notANumber: Wrong[] = [
  ['80', TypeError, '"80"'],
  [null, TypeError, 'null'],
  [true, TypeError, 'true'],
  [{}, TypeError, '{}']
]
const notAnInteger: Wrong[] = [...notANumber, [1.5, RangeError, '1.5'], [Number.NaN, RangeError, 'NaN']]
const notACount: Wrong[] = [...notAnInteger, [0, RangeError, '0'], [-1, RangeError, '-1']]
const notATime: Wrong[] = [
  ...notANumber.filter(([value]) => value !== true),
  [-1, RangeError, '-1'],
  [Number.NaN, RangeError, 'NaN'],
  [2 ** 31, RangeError, '2147483648']
]
const notAFlag: Wrong[] = [
  ['yes', TypeError, '"yes"'],
  [1, TypeError, '1'],
  [null, TypeError, 'null']
]
const notAName: Wrong[] = [
  [42, TypeError, '42'],
  [null, TypeError, 'null'],
  ['', RangeError, 'empty'],
  ['a\0b', RangeError, '"a\\u0000b"']
]
const notAPort: Wrong[] = [...notAnInteger, [-1, RangeError, '-1'], [65_536, RangeError, '65536', '65535']]

const internet: Record<string, Wrong[]> = {
  host: notAName,
  port: notAPort,
  ipv6Only: [...notAFlag, [true, TypeError, 'an IPv6 host', '127.0.0.1']],
  reusePort: notAFlag,
  maxPending: notACount
}

const noHandlers: [unknown, ...string[]][] = [
  [42, 'handler', '42'],
  ['handler', 'handler', 'handler'],
  [null, 'handler', 'null'],
  [{ handle() {} }, 'handler', '{ handle: [Function: handle] }'],
  [class Lonely {}, 'BaseRequestHandler', 'Lonely'],
  [class {}, 'BaseRequestHandler']
]

function caught(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('Nothing was thrown')
}

/** The same for calls whose mistakes come back as a rejection. */
async function rejected(call: () => unknown): Promise<unknown> {
  try {
    await call()
  } catch (error) {
    return error
  }
  throw new Error('Nothing was thrown')
}

function checkError(error: unknown, kind: unknown, ...words: string[]): void {
  expect(error).toMatchObject({ constructor: kind })
  for (const word of words) expect((error as Error).message).toContain(word)
}

/** Options, and what is wrong for each. Options that are right are left out, or undefined. */
function checkOptions(make: (options: never) => unknown, wrongs: Record<string, Wrong[]>): void {
  for (const [name, values] of Object.entries(wrongs)) {
    for (const [value, kind, ...words] of values) {
      it(`throws a ${kind.name} for ${name}: ${typeof value === 'string' ? JSON.stringify(value) : value}`, () => {
        checkError(
          caught(() => make({ [name]: value } as never)),
          kind,
          name,
          ...words
        )
      })
    }

    it(`takes the default for ${name}: undefined`, () => {
      expect(() => make({ [name]: undefined } as never)).not.toThrow()
    })
  }

  for (const name of ['prot', 'Port', 'backLog', 'max_pending', 'signal']) {
    it(`throws a TypeError for an option of the name ${name}`, () => {
      checkError(
        caught(() => make({ [name]: undefined } as never)),
        TypeError,
        `no option ${name}`
      )
    })
  }

  for (const options of [null, 42, 'localhost']) {
    it(`throws a TypeError for ${options} in place of options`, () => {
      checkError(
        caught(() => make(options as never)),
        TypeError,
        'options',
        String(options)
      )
    })
  }
}

function checkHandlers(take: (handler: Handler) => unknown): void {
  for (const [handler, ...words] of noHandlers) {
    it(`throws a TypeError for ${words.join(' ')} in place of a handler`, async () => {
      checkError(await rejected(async () => take(handler as Handler)), TypeError, ...words)
    })
  }
}

describe('TCPServer', () => {
  checkOptions((options) => new TCPServer(options), {
    ...internet,
    backlog: [...notACount, [2 ** 31, RangeError, '2147483648']],
    noDelay: notAFlag,
    keepAlive: notATime,
    reuseAddress: notAFlag,
    fd: [...notAnInteger, [-1, RangeError, '-1']]
  })
  checkHandlers((handler) => new TCPServer({}, handler))

  it('has no option of UDPServer', () => {
    checkError(
      caught(() => new TCPServer({ maxPacketSize: 1 } as never)),
      TypeError,
      'TCPServer has no option maxPacketSize'
    )
  })
})

describe('UDPServer', () => {
  checkOptions((options) => new UDPServer(options), {
    ...internet,
    maxPacketSize: notACount,
    fd: [...notAnInteger, [-1, RangeError, '-1']]
  })
  checkHandlers((handler) => new UDPServer({}, handler))

  it('has no options of TCPServer', () => {
    for (const name of ['backlog', 'noDelay', 'keepAlive']) {
      checkError(
        caught(() => new UDPServer({ [name]: 1 })),
        TypeError,
        `UDPServer has no option ${name}`
      )
    }
  })
})

describe('UnixStreamServer', () => {
  const path = temporaryPath()

  checkOptions(
    (options) =>
      new UnixStreamServer(
        typeof options === 'object' && options !== null ? { path, ...(options as object) } : options
      ),
    {
      backlog: [...notACount, [2 ** 31, RangeError, '2147483648']],
      maxPending: notACount
    }
  )
  checkHandlers((handler) => new UnixStreamServer({ path }, handler))

  for (const [value, kind, ...words] of [...notAName, [undefined, TypeError, 'undefined'] as Wrong]) {
    it(`throws a ${kind.name} for path: ${JSON.stringify(value)}`, () => {
      checkError(
        caught(() => new UnixStreamServer({ path: value as string })),
        kind,
        'path',
        ...words
      )
    })
  }

  it('has no options of TCPServer', () => {
    for (const name of ['host', 'port', 'noDelay', 'keepAlive']) {
      checkError(
        caught(() => new UnixStreamServer({ path, [name]: 1 })),
        TypeError,
        `UnixStreamServer has no option ${name}`
      )
    }
  })
})

describe('BaseServer', () => {
  checkHandlers((handler) => new BaseServer({}, handler))

  it('has no options', () => {
    checkError(
      caught(() => new BaseServer({ port: 1 })),
      TypeError,
      'no option port'
    )
  })

  it('leaves the options of a subclass to the subclass', () => {
    class Table extends BaseServer {}
    expect(() => new Table({ table: 'jobs' })).not.toThrow()
  })
})

describe('options of every server', () => {
  it('may be frozen, and are not kept: a later change has no effect', async () => {
    const options = { host: '127.0.0.1', port: 0, maxPending: 5 }
    const server = new TCPServer(options)
    options.host = 'no-such-host.invalid'
    await server.listen()
    expect(server.address.host).toBe('127.0.0.1')
    await server.close()
    expect(Object.keys(options)).toEqual(['host', 'port', 'maxPending'])
    expect(() => new UDPServer(Object.freeze({ port: 0 }))).not.toThrow()
  })

  it('take no bound where there need not be one', () => {
    const unbounded = Number.POSITIVE_INFINITY
    expect(() => new TCPServer({ maxPending: unbounded })).not.toThrow()
    expect(() => new UDPServer({ maxPending: unbounded, maxPacketSize: unbounded })).not.toThrow()
    expect(() => parallel(() => {}, { limit: unbounded })).not.toThrow()
  })

  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const canShare = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)

  it.runIf(canShare)('let two servers share a port with reusePort', async () => {
    const first = await new TCPServer({ reusePort: true }).listen()
    const second = await new TCPServer({ port: first.address.port, reusePort: true }).listen()
    expect(second.address).toEqual(first.address)
    await Promise.all([first.close(), second.close()])
  })

  it.skipIf(canShare)('say that this Node has no reusePort', () => {
    const servers = [
      () => new TCPServer({ reusePort: true, backend: 'node' }),
      () => new UDPServer({ reusePort: true, backend: 'node' })
    ]
    for (const make of servers) {
      checkError(caught(make), TypeError, 'reusePort', process.version)
    }
  })
})

describe('stages', () => {
  describe('sequential', () => checkHandlers((handler) => sequential(handler)))
  describe('parallel', () => {
    checkHandlers((handler) => parallel(handler))

    for (const [limit, kind, ...words] of notACount) {
      it(`throws a ${kind.name} for limit: ${JSON.stringify(limit)}`, () => {
        checkError(
          caught(() => parallel(() => {}, { limit } as never)),
          kind,
          'limit',
          ...words
        )
      })
    }

    it('throws a TypeError for an option that it has not', () => {
      checkError(
        caught(() => parallel(() => {}, { limt: 2 } as never)),
        TypeError,
        'no option limt'
      )
    })

    for (const options of [null, 5]) {
      it(`throws a TypeError for ${options} in place of options`, () => {
        checkError(
          caught(() => parallel(() => {}, options as never)),
          TypeError,
          'options',
          String(options)
        )
      })
    }
  })

  for (const nonsense of [42, undefined, null, {}]) {
    it(`verify throws a TypeError for ${inspect(nonsense)} in place of a predicate`, () => {
      checkError(
        caught(() => verify(nonsense as never)),
        TypeError,
        'verify',
        inspect(nonsense)
      )
    })

    it(`through throws a TypeError for ${inspect(nonsense)} in place of a transform`, () => {
      checkError(
        caught(() => through(nonsense as never)),
        TypeError,
        'through',
        inspect(nonsense)
      )
    })
  }
})

describe('calls of a server', () => {
  for (const [deadline, kind, ...words] of [...notATime, [true, TypeError, 'true'] as Wrong]) {
    it(`close throws a ${kind.name} for deadline: ${JSON.stringify(deadline)}, and closes nothing`, async () => {
      const server = await new TCPServer({}).listen()
      checkError(await rejected(() => server.close({ deadline } as never)), kind, 'deadline', ...words)
      expect(server.stopping.aborted).toBe(false)
      await server.close()
    })
  }

  for (const [timeout, kind, ...words] of [...notATime, [true, TypeError, 'true'] as Wrong]) {
    it(`handleRequest throws a ${kind.name} for timeout: ${JSON.stringify(timeout)}`, async () => {
      const server = new TCPServer({}, () => {})
      const error = await rejected(() => server.handleRequest(undefined, { timeout } as never))
      checkError(error, kind, 'timeout', ...words)
      await server.close()
    })
  }

  const calls: Record<string, (server: TCPServer, options: never) => unknown> = {
    close: (server, options) => server.close(options),
    handleRequest: (server, options) => server.handleRequest(() => {}, options),
    requests: (server, options) => server.requests(options)
  }
  for (const [name, call] of Object.entries(calls)) {
    it(`${name} throws a TypeError for an option that it has not`, async () => {
      const server = new TCPServer()
      const [error] = await Promise.all([rejected(() => call(server, { timeOut: 5 } as never)), server.close()])
      checkError(error, TypeError, 'no option timeOut')
    })

    for (const options of [null, 5]) {
      it(`${name} throws a TypeError for ${options} in place of options`, async () => {
        const server = new TCPServer()
        const [error] = await Promise.all([rejected(() => call(server, options as never)), server.close()])
        checkError(error, TypeError, 'options', String(options))
      })
    }
  }

  for (const [closeOnReturn, kind, ...words] of notAFlag) {
    it(`requests throws a ${kind.name} for closeOnReturn: ${JSON.stringify(closeOnReturn)}`, () => {
      const server = new TCPServer()
      checkError(
        caught(() => server.requests({ closeOnReturn } as never)),
        kind,
        'closeOnReturn',
        ...words
      )
    })
  }

  describe('handleRequest', () => checkHandlers((handler) => new TCPServer().handleRequest(handler)))

  it('handleRequest and serveForever throw a TypeError where nobody was given to serve', async () => {
    const server = new TCPServer()
    checkError(await rejected(() => server.handleRequest()), TypeError, 'handleRequest()', 'handler')
    checkError(await rejected(() => server.serveForever()), TypeError, 'serveForever()', 'handler')
    // Nothing was begun by that.
    expect(server.fileno()).toBe(undefined)
    await server.close()
  })

  for (const nonsense of [42, null, {}]) {
    it(`serveForever throws a TypeError for ${inspect(nonsense)} in place of a stage, and does not listen`, async () => {
      const server = new TCPServer()
      checkError(await rejected(() => server.serveForever(nonsense as never)), TypeError, 'stage', inspect(nonsense))
      expect(server.fileno()).toBe(undefined)
      await server.close()
    })
  }
})

describe('fields of a StreamRequestHandler', () => {
  const fields: Record<string, Wrong[]> = {
    timeout: [
      [-1, RangeError, '-1'],
      [Number.NaN, RangeError, 'NaN'],
      ['30', TypeError, '"30"']
    ],
    noDelay: [
      [1, TypeError, '1'],
      ['yes', TypeError, '"yes"']
    ],
    readHighWaterMark: [
      [0, RangeError, '0'],
      [1.5, RangeError, '1.5'],
      ['64k', TypeError, '"64k"']
    ],
    writeHighWaterMark: [
      [0, RangeError, '0'],
      [-1, RangeError, '-1'],
      ['64k', TypeError, '"64k"']
    ],
    maxWriteQueue: [
      [0, RangeError, '0'],
      [Number.NaN, RangeError, 'NaN'],
      ['64k', TypeError, '"64k"']
    ]
  }

  for (const [name, values] of Object.entries(fields)) {
    for (const [value, kind, ...words] of values) {
      it(`${name} = ${JSON.stringify(value)} fails each request with a ${kind.name}, before setup`, async () => {
        const ran: string[] = []
        class Mistaken extends StreamRequestHandler {
          override setup(): void {
            ran.push('setup')
          }

          override handle(): void {
            ran.push('handle')
          }

          override finish(): void {
            ran.push('finish')
          }
        }
        class Wrongly extends Mistaken {
          constructor(request: ConstructorParameters<typeof Mistaken>[0]) {
            super(request)
            Object.assign(this, { [name]: value })
          }
        }
        const server = await new QuietTCPServer({}, Wrongly).listen()
        const serving = server.serveForever()
        expect(await exchange(server.address, 'first\n')).toBe('')
        expect(await exchange(server.address, 'second\n')).toBe('')
        await server.close()
        await serving
        expect(server.errors.length).toBe(2)
        for (const error of server.errors) checkError(error, kind, name, ...words)
        expect(ran).toEqual([])
      })
    }
  }

  it('take what they take', async () => {
    class Careful extends StreamRequestHandler {
      override timeout = Number.POSITIVE_INFINITY
      override noDelay = false
      override readHighWaterMark = 1
      override writeHighWaterMark = 1
      override maxWriteQueue = Number.POSITIVE_INFINITY

      override async handle() {
        for await (const line of this.rfile.lines()) await this.wfile.write(line)
      }
    }
    const server = await new QuietTCPServer({}, Careful).listen()
    const reply = exchange(server.address, 'a\nb\nc\n')
    expect((await server.handleRequest())?.status).toBe('fulfilled')
    expect(await reply).toBe('a\nb\nc\n')
    await server.close()
  })
})
