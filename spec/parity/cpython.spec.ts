import { once } from 'node:events'
import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import * as publicNames from '../../lib/index.ts'
import {
  type Address,
  type BaseServer,
  ClosedError,
  DatagramRequestHandler,
  ForkingTCPServer,
  ForkingUDPServer,
  ForkingUnixDatagramServer,
  ForkingUnixStreamServer,
  type InternetAddress,
  ListenError,
  parallel,
  type Settlement,
  type StreamRequest,
  StreamRequestHandler,
  TCPServer,
  ThreadingTCPServer,
  ThreadingUDPServer,
  ThreadingUnixDatagramServer,
  ThreadingUnixStreamServer,
  UDPServer,
  type UnixAddress,
  UnixDatagramServer,
  UnixStreamServer,
  type WFile
} from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { UnixPeer } from '../support/datagram-peers.ts'
import { dial, exchange, exchangeDatagram, received, temporaryPath } from '../support/peers.ts'
import { QuietTCPServer, quiet } from '../support/quiet.ts'
import { gone } from '../support/servers.ts'

const here = { host: '127.0.0.1', port: 0 }
const text = 'hello world\n'

// The same as EchoLine and EchoDatagramLine, in children.
const echoLine = new URL('./handlers/echo-line.mjs', import.meta.url)

class EchoLine extends StreamRequestHandler {
  override async handle() {
    const line = await this.rfile.readLine()
    if (line !== undefined) await this.wfile.write(line)
  }
}

class EchoDatagramLine extends DatagramRequestHandler {
  override async handle() {
    const line = await this.rfile.readLine()
    if (line !== undefined) await this.wfile.write(line)
  }
}

async function streamExamine(address: Address): Promise<void> {
  const client = await dial(address)
  if (address.family !== 'unix') expect(client.remotePort).toBe(address.port)
  client.write(text)
  expect((await received(client)).toString()).toBe(text)
  client.end()
}

async function datagramExamine(address: InternetAddress): Promise<void> {
  expect(await exchangeDatagram(address, text)).toBe(text)
}

async function unixDatagramExamine({ path }: UnixAddress): Promise<void> {
  using peer = new UnixPeer(temporaryPath())
  expect((await peer.exchange(path, text)).toString()).toBe(text)
}

type Running<A extends Address> = Pick<BaseServer, 'close' | 'stats' | 'fileno'> & {
  listen(): Promise<unknown>
  readonly address: A
  readonly errors: readonly unknown[]
}

/** Three clients, one after the other; then the server stops and its loop ends. */
async function runServer<A extends Address>(
  server: Running<A>,
  serve: () => Promise<unknown>,
  examine: (address: A) => Promise<void>
): Promise<void> {
  await server.listen()
  const serving = serve()
  for (let client = 0; client < 3; client++) await examine(server.address)
  const { aborted, refused } = await server.close()
  await serving
  expect(server.fileno()).toBe(undefined)
  expect({ aborted, refused }).toEqual({ aborted: 0, refused: 0 })
  expect(server.stats()).toMatchObject({ accepted: 3, served: 3, failed: 0, refused: 0, open: 0, waiting: 0 })
  expect(server.errors).toEqual([])
}

/** How connecting to a port of loopback goes: the error's code, or `'connected'`. */
function tryConnecting(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const client = connect(port, here.host, () => {
      client.destroy()
      resolve('connected')
    })
    client.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
}

/** Connect, send the input, and wait until all is over, by an end or a reset. */
function ended({ port }: InternetAddress, input: string): Promise<void> {
  return new Promise((resolve) => {
    const client = connect(port, here.host)
    client.on('error', () => {})
    client.on('close', () => resolve())
    client.resume()
    client.end(input)
  })
}

describe('SocketServerTest', () => {
  it('test_TCPServer', async () => {
    const server = quiet(new TCPServer(here, EchoLine))
    await runServer(server, () => server.serveForever(), streamExamine)
  })

  it('test_ThreadingTCPServer', async () => {
    const server = quiet(new ThreadingTCPServer(here, EchoLine))
    await runServer(server, () => server.serveForever(), streamExamine)
  })

  it('test_ForkingTCPServer', async () => {
    const server = quiet(new ForkingTCPServer(here, echoLine))
    await runServer(server, () => server.serveForever(), streamExamine)
    expect(server.activeChildren.size).toBe(0)
  })

  it('test_UnixStreamServer', async () => {
    const server = quiet(new UnixStreamServer({ path: temporaryPath() }, EchoLine))
    await runServer(server, () => server.serveForever(), streamExamine)
    expect(existsSync(server.address.path)).toBe(false)
  })

  it('test_ThreadingUnixStreamServer', async () => {
    const server = quiet(new ThreadingUnixStreamServer({ path: temporaryPath() }, EchoLine))
    await runServer(server, () => server.serveForever(), streamExamine)
    expect(existsSync(server.address.path)).toBe(false)
  })

  it('test_ForkingUnixStreamServer', async () => {
    const server = quiet(new ForkingUnixStreamServer({ path: temporaryPath() }, echoLine))
    await runServer(server, () => server.serveForever(), streamExamine)
    expect(existsSync(server.address.path)).toBe(false)
  })

  it('test_UDPServer', async () => {
    const server = quiet(new UDPServer(here, EchoDatagramLine))
    await runServer(server, () => server.serveForever(), datagramExamine)
  })

  it('test_ThreadingUDPServer', async () => {
    const server = quiet(new ThreadingUDPServer(here, EchoDatagramLine))
    await runServer(server, () => server.serveForever(), datagramExamine)
  })

  it('test_ForkingUDPServer', async () => {
    const server = quiet(new ForkingUDPServer(here, echoLine))
    await runServer(server, () => server.serveForever(), datagramExamine)
  })

  it('test_UnixDatagramServer', async () => {
    const server = quiet(new UnixDatagramServer({ path: temporaryPath() }, EchoDatagramLine))
    await runServer(server, () => server.serveForever(), unixDatagramExamine)
    expect(existsSync(server.address.path)).toBe(false)
  })

  it('test_ThreadingUnixDatagramServer', async () => {
    const server = quiet(new ThreadingUnixDatagramServer({ path: temporaryPath() }, EchoDatagramLine))
    await runServer(server, () => server.serveForever(), unixDatagramExamine)
    expect(existsSync(server.address.path)).toBe(false)
  })

  it('test_ForkingUnixDatagramServer', async () => {
    const server = quiet(new ForkingUnixDatagramServer({ path: temporaryPath() }, echoLine))
    await runServer(server, () => server.serveForever(), unixDatagramExamine)
    expect(existsSync(server.address.path)).toBe(false)
  })

  it('test_shutdown: twenty servers are stopped as they begin to serve', async () => {
    const servers = await Promise.all(Array.from({ length: 20 }, () => new QuietTCPServer(here, EchoLine).listen()))
    const races = servers.map(async (server, i) => {
      const serving = server.serveForever(i % 2 === 0 ? undefined : parallel(EchoLine))
      const closing = server.close()
      expect(await serving).toEqual(await closing)
    })
    await Promise.all(races)
    expect(servers.flatMap((server) => server.errors)).toEqual([])
    expect(servers.map((server) => server.fileno())).toEqual(servers.map(() => undefined))
  })

  it('test_shutdown: twenty servers are stopped while a client comes in, who sees an end in any case', async () => {
    const servers = await Promise.all(Array.from({ length: 20 }, () => new QuietTCPServer(here, EchoLine).listen()))
    const races = servers.map(async (server) => {
      const over = ended(server.address, text)
      const serving = server.serveForever(parallel(EchoLine))
      await server.close()
      await serving
      await over
      expect(server.stats()).toMatchObject({ open: 0, waiting: 0 })
    })
    await Promise.all(races)
  })

  it('test_close_immediately: before it listens', async () => {
    const server = new QuietTCPServer(here, EchoLine)
    expect(await server.close()).toEqual({ finished: 0, aborted: 0, refused: 0, stillOpen: [] })
    await expect(server.serveForever()).rejects.toThrow(ClosedError)
  })

  it('test_close_immediately: before the first request', async () => {
    const server = await new QuietTCPServer(here, EchoLine).listen()
    const { port } = server.address
    expect(await server.close()).toEqual({ finished: 0, aborted: 0, refused: 0, stillOpen: [] })
    expect(await tryConnecting(port)).toBe('ECONNREFUSED')
  })

  const descriptors = '/proc/self/fd'

  function countSockets(): number {
    const isSocket = (descriptor: string): boolean => {
      try {
        return readlinkSync(`${descriptors}/${descriptor}`).startsWith('socket:')
      } catch {
        return false
      }
    }
    return readdirSync(descriptors).filter(isSocket).length
  }

  const inUse = {
    tcpserver: async () => {
      const holder = await new TCPServer(here).listen()
      return { holder, again: () => new TCPServer({ ...here, port: holder.address.port }) }
    },
    udpserver: async () => {
      const holder = await new UDPServer(here).listen()
      return { holder, again: () => new UDPServer({ ...here, port: holder.address.port }) }
    },
    unixstreamserver: async () => {
      const holder = await new UnixStreamServer({ path: temporaryPath() }).listen()
      return { holder, again: () => new UnixStreamServer({ path: holder.address.path }) }
    }
  }

  for (const [name, hold] of Object.entries(inUse)) {
    it.runIf(existsSync(descriptors))(
      `test_${name}_bind_leak: 1,024 failed binds leave no descriptor behind`,
      async () => {
        const { holder, again } = await hold()
        const before = countSockets()
        for (let round = 0; round < 16; round++) {
          const failing = Array.from({ length: 64 }, async () => {
            const server = again()
            await expect(server.listen()).rejects.toThrow(ListenError)
            await server.closed
          })
          await Promise.all(failing)
        }
        expect(countSockets()).toBe(before)
        expect(holder.stats()).toMatchObject({ accepted: 0, refused: 0 })
        await holder.close()
        expect(countSockets()).toBe(before - 1)
      }
    )
  }

  it('test_context_manager', async () => {
    let outside: TCPServer
    {
      await using server = await new TCPServer(here, EchoLine).listen()
      outside = server
      expect(server.fileno()).toBeGreaterThan(2)
    }
    expect(outside.fileno()).toBe(undefined)
    expect(await outside.closed).toEqual({ finished: 0, aborted: 0, refused: 0, stillOpen: [] })
    expect(await tryConnecting(outside.address.port)).toBe('ECONNREFUSED')
  })

  it('test_handle_request: one request, and no more', async () => {
    const server = await new QuietTCPServer(here, EchoLine).listen()
    const first = exchange(server.address, 'first\n')
    const outcome = await server.handleRequest()
    expect(await first).toBe('first\n')
    expect(outcome?.status).toBe('fulfilled')
    expect(server.stats()).toMatchObject({ accepted: 1, served: 1 })
    const second = exchange(server.address, 'second\n')
    await server.handleRequest()
    expect(await second).toBe('second\n')
    await server.close()
  })

  it('test_handle_timeout: nobody came, so handleTimeout is called, once', async () => {
    class Impatient extends QuietTCPServer {
      timeouts = 0

      override handleTimeout(): void {
        this.timeouts++
      }
    }
    const server = await new Impatient(here, EchoLine).listen()
    expect(await server.handleRequest(undefined, { timeout: 1 })).toBe(undefined)
    expect(server.timeouts).toBe(1)
    // And the one who comes later is there for the next call.
    const reply = exchange(server.address, text)
    const outcome = await server.handleRequest(undefined, { timeout: 60_000 })
    expect(outcome?.status).toBe('fulfilled')
    expect(await reply).toBe(text)
    expect(server.timeouts).toBe(1)
    await server.close()
  })
})

describe('ErrorHandlerTest', () => {
  class BadHandler extends StreamRequestHandler {
    static error: unknown

    override handle(): unknown {
      return Promise.reject(BadHandler.error)
    }
  }

  /** A client for whom the handler fails, then one who is served. */
  async function checkHandled(serve: (server: QuietTCPServer) => Promise<unknown>, thrown: unknown): Promise<void> {
    BadHandler.error = thrown
    const server = await new QuietTCPServer(here).listen()
    const serving = serve(server)
    expect(await exchange(server.address, 'bad\n')).toBe('')
    expect(await exchange(server.address, text)).toBe(text)
    await server.close()
    await serving
    const [error] = server.errors
    expect(server.errors.length).toBe(1)
    if (thrown instanceof Error) expect(error).toBe(thrown)
    else expect(error).toMatchObject({ message: `Non-error thrown: ${String(thrown)}`, cause: thrown })
    expect(server.stats()).toMatchObject({ accepted: 2, served: 1, failed: 1 })
  }

  /** The first request gets the handler that fails. */
  function badThenGood(): (request: StreamRequest) => unknown {
    let requests = 0
    return async (request) => {
      requests++
      if (requests === 1) await new BadHandler(request).handle()
      else await new EchoLine(request).handle()
    }
  }

  const sync = async (server: QuietTCPServer): Promise<void> => {
    const handler = badThenGood()
    await server.handleRequest(handler)
    await server.handleRequest(handler)
  }
  const threading = (server: QuietTCPServer): Promise<unknown> => server.serveForever(parallel(badThenGood()))

  it('test_sync_handled', () => checkHandled(sync, new Error('Test error')))

  it('test_threading_handled', () => checkHandled(threading, new Error('Test error')))

  it('test_forking_handled', async () => {
    const server = await quiet(
      new ForkingTCPServer(here, new URL('./handlers/bad-first.mjs', import.meta.url))
    ).listen()
    const serving = server.serveForever()
    expect(await exchange(server.address, 'bad\n')).toBe('')
    expect(await exchange(server.address, text)).toBe(text)
    await server.close()
    await serving
    // An error is the handler's in a child too: it is told here, and the child goes on.
    expect(server.errors).toEqual([expect.objectContaining({ name: 'RangeError', message: 'Test error' })])
    expect(server.stats()).toMatchObject({ accepted: 2, served: 1, failed: 1 })
  })

  it('test_forking_not_handled: a child that exits ends its own request, and no other', async () => {
    const server = await quiet(
      new ForkingTCPServer(here, new URL('./handlers/exits-first.mjs', import.meta.url))
    ).listen()
    const serving = server.serveForever()
    await ended(server.address, 'bad\n')
    expect(await exchange(server.address, text)).toBe(text)
    await server.close()
    await serving
    expect(server.errors).toEqual([expect.objectContaining({ name: 'AbortedError', cause: 'worker-gone' })])
    expect(server.stats()).toMatchObject({ accepted: 2, served: 1, failed: 1 })
  })

  // What Python lets pass, SystemExit and KeyboardInterrupt, has no counterpart: whatever is thrown is the handler's.
  for (const thrown of ['text', null, undefined, 42]) {
    it(`test_sync_not_handled: ${String(thrown)} is reported like any error`, () => checkHandled(sync, thrown))

    it(`test_threading_not_handled: ${String(thrown)} is reported like any error`, () =>
      checkHandled(threading, thrown))
  }
})

describe('SocketWriterTest', () => {
  it('test_basics: rfile and wfile are those of the request, and end with it', async () => {
    let kept: EchoLine | undefined
    class Handler extends EchoLine {
      override async handle() {
        kept = this
        expect(this.wfile).toBe(this.request.wfile)
        expect(this.rfile).toBe(this.request.rfile)
        expect(this.connection).toBe(this.request)
        await super.handle()
      }
    }
    const server = await new QuietTCPServer(here, Handler).listen()
    const reply = exchange(server.address, text)
    expect((await server.handleRequest())?.status).toBe('fulfilled')
    expect(await reply).toBe(text)
    await expect(kept?.wfile.write('late')).rejects.toThrow(ClosedError)
    expect(server.errors).toEqual([])
    await server.close()
  })

  it('test_write: a line arrives without a flush, and a huge write is not cut under signals', async () => {
    const huge = 16 * 1024 * 1024 + 1
    const answered = deferred<string>()
    class Handler extends StreamRequestHandler {
      override async handle() {
        await this.wfile.write('write data\n')
        answered.resolve(String(await this.rfile.readLine()))
        await this.wfile.write(Buffer.alloc(huge, 7))
      }
    }
    const server = await new QuietTCPServer(here, Handler).listen()
    const handling = server.handleRequest()
    const client = await dial(server.address)
    const chunks = client[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>
    expect(String((await chunks.next()).value)).toBe('write data\n')
    client.end('client response\n')
    expect(await answered.promise).toBe('client response\n')

    // The first chunk has come, the rest waits for the client: now the process gets a signal.
    let bytes = (await chunks.next()).value?.length ?? 0
    expect(bytes).toBeGreaterThan(0)
    const interrupted = new Promise<void>((resolve) => process.once('SIGUSR2', () => resolve()))
    process.kill(process.pid, 'SIGUSR2')
    await interrupted
    for (let chunk = await chunks.next(); chunk.done !== true; chunk = await chunks.next()) {
      bytes += chunk.value.length
      expect(chunk.value.every((byte) => byte === 7)).toBe(true)
    }
    expect(bytes).toBe(huge)
    expect((await handling)?.status).toBe('fulfilled')
    expect(server.stats().bytesOut).toBe('write data\n'.length + huge)
    await server.close()
  })

  it('test_write: a write to a peer that has gone fails', async () => {
    const failed = deferred<unknown>()
    const writeOn = async (wfile: WFile): Promise<never> => {
      for (;;) await wfile.write(Buffer.alloc(65_536))
    }
    const handler = ({ wfile }: StreamRequest): Promise<void> => writeOn(wfile).catch(failed.resolve)
    const server = await new QuietTCPServer(here, handler).listen()
    const handling = server.handleRequest()
    const client = await dial(server.address)
    await once(client, 'readable')
    client.resetAndDestroy()
    expect(await failed.promise).toMatchObject({ code: 'ERR_REQUEST_ABORTED', cause: 'peer-gone' })
    await handling
    await server.close()
  })
})

describe('MiscTestCase', () => {
  it('test_all: the classes of the module are public under the same names', () => {
    const classes = [
      'BaseServer',
      'TCPServer',
      'UDPServer',
      'UnixStreamServer',
      'UnixDatagramServer',
      'ThreadingTCPServer',
      'ThreadingUDPServer',
      'ThreadingUnixStreamServer',
      'ThreadingUnixDatagramServer',
      'ForkingTCPServer',
      'ForkingUDPServer',
      'ForkingUnixStreamServer',
      'ForkingUnixDatagramServer',
      'BaseRequestHandler',
      'StreamRequestHandler',
      'DatagramRequestHandler'
    ]
    expect(Object.keys(publicNames)).toEqual(expect.arrayContaining(classes))
  })

  it('test_shutdown_request_called_if_verify_request_false', async () => {
    const closed: Settlement[] = []
    const closedOne = deferred<void>()
    class Unfriendly extends QuietTCPServer {
      override verifyRequest(): boolean {
        return false
      }

      override async closeRequest(request: StreamRequest, outcome: Settlement): Promise<void> {
        await super.closeRequest(request, outcome)
        closed.push(outcome)
        closedOne.resolve()
      }
    }
    const handled: unknown[] = []
    const server = await new Unfriendly(here, (request) => void handled.push(request)).listen()
    const handling = server.handleRequest()
    expect(await exchange(server.address, text)).toBe('')
    await closedOne.promise
    await server.close()
    expect(await handling).toBe(undefined)
    expect(closed).toEqual([{ status: 'aborted', reason: expect.objectContaining({ cause: 'refused' }) }])
    expect(handled).toEqual([])
    expect(server.stats()).toMatchObject({ accepted: 1, refused: 1, served: 0, failed: 0, open: 0 })
    expect(server.errors).toEqual([])
  })

  it('test_threads_reaped: what was served is forgotten', async () => {
    const requests: Promise<void>[] = []
    const server = await new QuietTCPServer(here).listen()
    const serving = server.serveForever(parallel((request) => void requests.push(gone(request))))
    for (let client = 0; client < 10; client++) expect(await exchange(server.address, '')).toBe('')
    await Promise.all(requests)
    expect(server.stats()).toMatchObject({ accepted: 10, served: 10, open: 0 })
    await server.close()
    await serving
  })
})
