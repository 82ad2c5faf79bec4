import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  ClosedError,
  drain,
  type ForkOptions,
  forkPool,
  type Pool,
  parallel,
  type Request,
  type StreamRequest,
  sequential,
  TCPServer,
  threadPool
} from '../../../lib/index.ts'
import { MemoryDatagramServer, MemoryServer } from '../../../lib/testing/entry.ts'
import { runChild } from '../../support/child.ts'
import { handlerModule } from '../../support/handler-module.ts'
import { dial, exchange, exchangeDatagram, received } from '../../support/peers.ts'
import { tcp, udp, unix } from '../../support/servers.ts'
import { turns } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

const upper = handlerModule(`
  export default async (request) => {
    for await (const line of request.rfile.lines()) await request.wfile.write(line.toString().toUpperCase())
    return process.pid
  }
`)

/** Says what it is told in a line: in words of the modules below. */
const worker = handlerModule(`
  import { threadId } from 'node:worker_threads'
  export default class extends lib.BaseRequestHandler {
    async handle () {
      const line = await this.rfile.readLine({ chomp: true })
      const [what, ...rest] = String(line).split(' ')
      return this[what](rest.join(' '))
    }
    pid () { return this.wfile.write(String(threadId || process.pid)) }
    where () { return this.wfile.write(JSON.stringify(this.server.address)) }
    async wait () {
      await this.wfile.write('waiting\\n')
      await this.rfile.readLine()
      await this.wfile.end('done')
    }
    async stopping () {
      await this.wfile.write('waiting\\n')
      if (!this.request.stopping.aborted) {
        await new Promise((resolve) => this.request.stopping.addEventListener('abort', resolve))
      }
      await this.wfile.end('stopping')
    }
    async value (of) { return values[of]() }
    stats () { return this.wfile.end(JSON.stringify(this.server.stats())) }
    async close () {
      const report = await this.server.close({ deadline: 60_000 }).catch((error) => error)
      await this.wfile.end(report.code)
    }
    crash () { setImmediate(() => { throw Object.assign(new RangeError('outside of the handler'), { code: 'E_CRASH' }) }); return new Promise(() => {}) }
    exit () { process.exit(7) }
    loop () { for (;;); }
  }
  const values = {
    nothing: () => undefined,
    object: () => ({ a: [1, { b: 'c' }], at: new Date(0), map: new Map([[1, 2]]) }),
    bytes: () => Buffer.from('bytes'),
    function: () => () => {},
    request: () => ({ handler: values }),
    // A stack of a thread takes it apart; ours does not put it together.
    deep: () => { let value = []; for (let n = 0; n < 20_000; n++) value = [value]; return value }
  }
`)

const makers = {
  children: (module: URL, options: ForkOptions = {}) => forkPool(module, { maxChildren: 2, ...options }),
  threads: (module: URL, options: { readonly timeout?: number } = {}) => threadPool(module, { size: 2, ...options })
}

function made<P extends Pool>(pool: P): P {
  onTestFinished(() => pool.close({ deadline: 0 }))
  return pool
}

/** A client that says a line and reads lines. */
async function caller(address: Parameters<typeof dial>[0], line: string) {
  const socket = await dial(address)
  onTestFinished(() => void socket.destroy())
  const lines: string[] = []
  let rest = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() as string
    lines.push(...parts)
  })
  socket.write(`${line}\n`)
  return {
    socket,
    line: async () => {
      while (lines.length === 0) await once(socket, 'data')
      return lines.shift()
    },
    rest: async () => {
      if (!socket.readableEnded) await once(socket, 'end')
      return rest
    }
  }
}

for (const [name, make] of Object.entries(makers)) {
  describe(`a pool of ${name}`, () => {
    it('goes on in the middle of a handler: what was put back travels along, what was written leaves first', async () => {
      for (const backend of ['native', 'node'] as const) {
        const pool = made(make(upper))
        const server = await tcp({ backend })
        const serving = drain(
          parallel(async (request: StreamRequest) => {
            const line = await request.rfile.readLine()
            await request.wfile.write('light: ')
            if (line?.toString() !== 'heavy\n') {
              await request.wfile.end(line)
              return
            }
            request.rfile.unread(line)
            await pool.run(request)
            await expect(request.rfile.read()).rejects.toThrow(ClosedError)
          })(server)
        )
        expect(await exchange(server.address, 'easy\n')).toBe('light: easy\n')
        expect(await exchange(server.address, 'heavy\nand more\n')).toBe('light: HEAVY\nAND MORE\n')
        const late = await caller(server.address, 'heavy')
        expect(await late.line()).toBe('light: HEAVY')
        late.socket.end('later\n')
        expect(await late.line()).toBe('LATER')
        await server.close()
        await serving
        await pool.close()
      }
    })

    it('serves messages: the reply goes on where the handler has begun it', async () => {
      const pool = made(
        make(handlerModule('export default (request) => request.wfile.write(request.packet.toString().toUpperCase())'))
      )
      const server = await udp()
      const serving = drain(
        parallel(async (request: Request) => {
          await request.wfile.write('it is ')
          await pool.run(request)
        })(server)
      )
      expect(await exchangeDatagram(server.address, 'abc')).toBe('it is ABC')
      await server.close()
      await serving
    })

    it('gives what the handler returns, as far as that can be copied', async () => {
      const pool = made(make(worker))
      const server = await new MemoryDatagramServer().listen()
      const values: unknown[] = []
      const serving = drain(
        sequential(async (request: Request) => {
          values.push(await pool.run(request))
        })(server)
      )
      for (const what of ['nothing', 'object', 'bytes', 'function', 'request', 'deep'])
        await server.send(`value ${what}`)
      await server.close()
      await serving
      const [nothing, object, bytes, ...lost] = values
      expect(nothing).toBeUndefined()
      expect(object).toEqual({ a: [1, { b: 'c' }], at: new Date(0), map: new Map([[1, 2]]) })
      expect(Buffer.from(bytes as Uint8Array).toString()).toBe('bytes')
      expect(lost).toEqual([undefined, undefined, undefined])
    })

    it('leaves nothing with a server that outlives it', async () => {
      const pool = make(worker)
      const server = await new MemoryDatagramServer().listen()
      const adding = vi.spyOn(server.stopping, 'addEventListener')
      const removing = vi.spyOn(server.stopping, 'removeEventListener')
      const reply = server.send('pid')
      for await (const request of server.requests({ closeOnReturn: false })) {
        await pool.run(request)
        break
      }
      await reply
      await pool.close()
      const listeners = (spy: typeof adding | typeof removing) => spy.mock.calls.map(([, listener]) => listener)
      expect(listeners(adding)).toHaveLength(1)
      expect(listeners(removing)).toEqual(listeners(adding))
      await server.close()
    })

    it('takes nobody for dead while this process itself is held up', async () => {
      const pool = made(make(worker, { timeout: 400 }))
      const server = await tcp()
      const { socket, line, rest } = await caller(server.address, 'wait')
      for await (const request of server) {
        const running = pool.run(request)
        expect(await line()).toBe('waiting')
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
        socket.end('go on\n')
        await running
        break
      }
      expect(await rest()).toBe('done')
    })

    it('knows where a server listens that has begun to close before its first request', async () => {
      const pool = made(make(worker))
      const server = await tcp()
      const { address } = server
      const answer = exchange(address, 'where\n')
      for await (const request of server) {
        const closing = server.close()
        await pool.run(request)
        await closing
      }
      expect(JSON.parse(await answer)).toEqual(address)
    })

    it('serves a request once, whoever asks again meanwhile', async () => {
      const pools = [made(make(worker)), made(make(worker))] as const
      const servers = [await tcp({ backend: 'native' }), await tcp({ backend: 'node' }), await udp()] as const
      for (const server of servers) {
        const answer =
          server === servers[2] ? exchangeDatagram(server.address, 'pid') : exchange(server.address, 'pid\n')
        for await (const request of server as AsyncIterable<Request>) {
          const running = pools[0].run(request)
          await expect(pools[1].run(request)).rejects.toMatchObject({ name: 'BusyError' })
          await expect(pools[0].run(request)).rejects.toMatchObject({ name: 'BusyError' })
          await running
          break
        }
        expect(await answer).toMatch(/^\d+$/)
        await server.close()
      }
    })

    it('closes a request that nobody else will, also of a bare loop', async () => {
      const pool = made(make(worker))
      const server = await tcp()
      const answers = [exchange(server.address, 'pid\n'), exchange(server.address, 'nonsense\n')]
      let served = 0
      for await (const request of server) {
        await pool.run(request).catch((error: unknown) => expect((error as Error).message).toMatch(/is not a function/))
        await new Promise<void>((resolve) => request.whenClosed(() => resolve()))
        if (++served === 2) break
      }
      const [pid] = await Promise.all(answers)
      expect(pool.activeChildren.has(Number(pid))).toBe(true)
    })

    it('rejects after its close, and the request is closed; closes twice; ends its workers', async () => {
      const pool = make(worker)
      const server = await tcp()
      const serving = drain(parallel((request: Request) => pool.run(request))(server))
      expect(await exchange(server.address, 'pid\n')).toMatch(/^\d+$/)
      expect(pool.activeChildren.size).toBeGreaterThan(0)
      await Promise.all([pool.close(), pool.close({ deadline: 10_000 })])
      expect(pool.activeChildren.size).toBe(0)
      expect(await exchange(server.address, 'pid\n')).toBe('')
      expect(server.errors).toMatchObject([
        { code: 'ERR_CLOSED', message: 'Cannot serve the request: the pool is closed' }
      ])
      await pool.collectChildren()
      await server.close()
      await serving
    })

    it('refuses what is no request, and options that it does not have', async () => {
      const pool = made(make(worker))
      await expect(pool.run({} as never)).rejects.toThrow(/A pool serves requests/)
      expect(() => pool.close({ patience: 1 } as never)).toThrow(/has no option patience/)
    })

    it('finishes what it has at its close', async () => {
      const server = await tcp()
      const pool = make(worker)
      const outcomes = parallel((request: Request) => pool.run(request))(server)[Symbol.asyncIterator]()
      const next = outcomes.next()
      const client = await caller(server.address, 'wait')
      expect(await client.line()).toBe('waiting')
      const closing = pool.close()
      client.socket.end('go\n')
      expect(await client.rest()).toBe('done')
      await closing
      expect((await next).value).toMatchObject({ status: 'fulfilled' })
      expect(pool.activeChildren.size).toBe(0)
    })

    it('tells a handler where its request comes from, and who listens', async () => {
      const where = handlerModule(
        'export default ({ clientAddress, server }) => ({ clientAddress, address: server.address })'
      )
      const pool = made(make(where))
      for (const server of [await tcp(), await unix(), await udp()]) {
        const outcomes = parallel((request: Request) => pool.run(request))(server as never)[Symbol.asyncIterator]()
        const next = outcomes.next()
        if (server.address.family === 'unix' || server instanceof TCPServer) await exchange(server.address, '')
        else {
          const socket = createSocket('udp4')
          socket.send('x', server.address.port, server.address.host, () => socket.close())
        }
        const { value } = await next
        const { clientAddress } = value.request
        expect(value.value).toEqual({ clientAddress, address: server.address })
      }
    })

    it('cuts off at its deadline what it has, whatever that does', async () => {
      const server = await tcp()
      const pool = make(worker)
      const outcomes = parallel((request: Request) => pool.run(request))(server)[Symbol.asyncIterator]()
      const next = outcomes.next()
      const client = await caller(server.address, 'wait')
      expect(await client.line()).toBe('waiting')
      await pool.close({ deadline: 1 })
      const { value } = await next
      expect(value).toMatchObject({ status: 'aborted', reason: { name: 'AbortedError', cause: 'deadline' } })
      expect(pool.activeChildren.size).toBe(0)
      await client.rest().catch(() => {})
    })

    it('may be shared by servers, each of which is another to the handler', async () => {
      const pool = made(make(worker))
      const one = await tcp()
      const other = await unix()
      const memory = await new MemoryServer().listen()
      const handler = (request: Request): Promise<unknown> => pool.run(request)
      const serving = [one, other, memory].map((server) => drain(parallel(handler)(server as typeof one)))
      const stopped = await caller(one.address, 'stopping')
      const waiting = await caller(other.address, 'stopping')
      expect(await stopped.line()).toBe('waiting')
      expect(await waiting.line()).toBe('waiting')
      const closing = one.close()
      expect(await stopped.rest()).toBe('stopping')
      stopped.socket.end()
      await closing
      expect(await exchange(other.address, 'pid\n')).toMatch(/^\d+$/)
      expect(await received(memory.connect().end('pid\n') as never)).not.toHaveLength(0)
      await turns(3)
      expect(waiting.socket.readableEnded).toBe(false)
      const last = other.close()
      expect(await waiting.rest()).toBe('stopping')
      waiting.socket.end()
      await Promise.all([last, memory.close()])
      await Promise.all(serving)
    })

    it('tells the handler of a server that was closing before it knew of it', async () => {
      const pool = made(make(worker))
      const server = await tcp()
      const serving = drain(
        parallel(async (request: Request) => {
          void request.server.close()
          await pool.run(request)
        })(server)
      )
      expect(await exchange(server.address, 'stopping\n')).toBe('waiting\nstopping')
      await serving
      expect(await server.closed).toMatchObject({ finished: 1, aborted: 0 })
    })

    it('lets a handler close the server, which can not wait for that', async () => {
      const pool = made(make(worker))
      const server = await tcp()
      const serving = drain(parallel((request: Request) => pool.run(request))(server))
      expect(await exchange(server.address, 'close\n')).toBe('ERR_NOT_SUPPORTED')
      await serving
      expect(await server.closed).toMatchObject({ finished: 1, aborted: 0, refused: 0 })
    })

    it('tells a handler what is counted where it runs', async () => {
      const pool = made(make(worker))
      const server = await tcp()
      const serving = drain(parallel((request: Request) => pool.run(request))(server))
      expect(JSON.parse(await exchange(server.address, 'stats\n'))).toMatchObject({ open: 1, waiting: 0, bytesIn: 6 })
      await server.close()
      await serving
      expect(server.stats()).toMatchObject({ accepted: 1, served: 1, open: 0, bytesIn: 6 })
      expect(server.stats().bytesOut).toBeGreaterThan(20)
    })

    it('makes an outcome of a worker that dies of an error, and says of which', async () => {
      const pool = made(make(worker))
      const server = await tcp()
      const outcomes = parallel((request: Request) => pool.run(request))(server)[Symbol.asyncIterator]()
      for (const [line, origin] of [
        ['crash', { name: 'RangeError', code: 'E_CRASH', message: 'outside of the handler' }],
        ['exit', undefined]
      ] as const) {
        const next = outcomes.next()
        await exchange(server.address, `${line}\n`).catch(() => '')
        const { value } = await next
        expect(value).toMatchObject({
          status: 'aborted',
          reason: {
            name: 'AbortedError',
            cause: 'worker-gone',
            message: expect.stringMatching(/^The request was cut off: the (child|thread) \d+ that served it /)
          }
        })
        if (origin === undefined) expect(value.reason.message).toMatch(/ended with exit code 7$/)
        else expect(value.reason.origin).toMatchObject(origin)
      }
      const next = outcomes.next()
      expect(await exchange(server.address, 'pid\n')).toMatch(/^\d+$/)
      expect((await next).value.status).toBe('fulfilled')
      await server.close()
      expect((await outcomes.next()).done).toBe(true)
    })
  })
}

describe('a pool of children', () => {
  it('starts them as they are needed, and lets go of those that have nothing to do', async () => {
    await using pool = forkPool(worker, { maxChildren: 3, spares: 0 })
    expect(pool.activeChildren.size).toBe(0)
    const server = await tcp()
    const serving = drain(parallel((request: Request) => pool.run(request))(server))
    const clients = [await caller(server.address, 'wait'), await caller(server.address, 'wait')]
    for (const client of clients) expect(await client.line()).toBe('waiting')
    expect(pool.activeChildren.size).toBe(2)
    await pool.collectChildren()
    expect(pool.activeChildren.size).toBe(2)
    const [first] = clients
    first?.socket.end('go\n')
    await first?.rest()
    while (server.stats().served < 1) await turns()
    await pool.collectChildren()
    expect(pool.activeChildren.size).toBe(1)
    clients[1]?.socket.end('go\n')
    await clients[1]?.rest()
    await server.close()
    await serving
  })

  it('have others take their place when they have served their number', async () => {
    for (const [make, many] of [
      [() => forkPool(worker, { maxChildren: 1, requestsPerChild: 2 }), 2],
      [() => threadPool(worker, { size: 1, requestsPerThread: 2 }), 2]
    ] as const) {
      const pool = made(make())
      const server = await tcp()
      const serving = drain(sequential((request: Request) => pool.run(request))(server))
      const pids: string[] = []
      for (let i = 0; i < 3 * many; i++) pids.push(await exchange(server.address, 'pid\n'))
      expect(pids[0]).toBe(pids[1])
      expect(pids[2]).toBe(pids[3])
      expect(new Set(pids).size).toBe(3)
      await server.close()
      await serving
    }
  })

  it('ends one that is silent, and says so', async () => {
    for (const make of [
      () => forkPool(worker, { maxChildren: 1, timeout: 100 }),
      () => threadPool(worker, { size: 1, timeout: 100 })
    ]) {
      const pool = made(make())
      const server = await tcp()
      const outcomes = parallel((request: Request) => pool.run(request))(server)[Symbol.asyncIterator]()
      const next = outcomes.next()
      await exchange(server.address, 'loop\n').catch(() => '')
      expect((await next).value).toMatchObject({
        status: 'aborted',
        reason: { cause: 'worker-gone', origin: { message: 'it did not answer for 100 ms' } }
      })
      await server.close()
    }
  })

  it('passes a half-open connection: what is answered after the end arrives', async () => {
    const pool = made(
      forkPool(
        handlerModule(`
          export default async (request) => {
            const all = await request.rfile.readAll()
            await request.wfile.write(all.length + ' bytes\\n')
            for (let i = 0; i < 3; i++) {
              await new Promise(setImmediate)
              await request.wfile.write(i + '\\n')
            }
          }
        `)
      )
    )
    for (const server of [await tcp({ backend: 'native' }), await tcp({ backend: 'node' }), await unix()]) {
      const serving = drain(
        parallel((request: Request) => pool.run(request))(server as Awaited<ReturnType<typeof tcp>>)
      )
      expect(await exchange(server.address, 'x'.repeat(100_000))).toBe('100000 bytes\n0\n1\n2\n')
      await server.close()
      await serving
    }
  })
})

describe('a process with a pool', () => {
  const scripts: Record<string, string> = {
    'that was never used': 'lib.forkPool(url)\nlib.threadPool(url)',
    'that has served': `
      const pool = lib[make](url)
      const server = await new lib.TCPServer({ port: 0 }).listen()
      const serving = lib.drain(lib.parallel((request) => pool.run(request))(server))
      const { connect } = await import('node:net')
      const socket = connect(server.address.port, '127.0.0.1')
      socket.end('hello\\n')
      for await (const bytes of socket) process.stdout.write(bytes)
      await server.close()
      await serving`,
    'that cannot be started': 'lib[make](new URL("file:///nowhere/handler.js"))'
  }
  for (const [how, script] of Object.entries(scripts)) {
    for (const make of ['forkPool', 'threadPool']) {
      it(`ends by itself: ${make} ${how}`, async () => {
        const source = `const url = new URL(${JSON.stringify(upper.href)})\nconst make = '${make}'\n${script}`
        const { code, stdout, stderr } = await runChild(source)
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
        expect(stdout).toBe(script.includes('hello') ? 'HELLO\n' : '')
      })
    }
  }
})
