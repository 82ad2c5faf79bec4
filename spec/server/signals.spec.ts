import { getEventListeners, once } from 'node:events'
import { describe, expect, it } from 'vitest'
import {
  BaseServer,
  ClosedError,
  MessageRequest,
  parallel,
  type Request,
  TCPServer,
  UDPServer
} from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { MemoryServer } from '../../lib/testing/entry.ts'
import { settled } from '../support/events.ts'
import { dial } from '../support/peers.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

const makers = {
  BaseServer: () => new BaseServer(),
  'TCPServer, native': () => new TCPServer({ backend: 'native' }),
  'TCPServer, node': () => new TCPServer({ backend: 'node' }),
  'UDPServer, native': () => new UDPServer({ backend: 'native' }),
  'UDPServer, node': () => new UDPServer({ backend: 'node' }),
  MemoryServer: () => new MemoryServer()
}

type AnyServer = BaseServer | TCPServer | UDPServer | MemoryServer

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length
const reason = new Error('enough')

describe.for(Object.entries<() => AnyServer>(makers))('a signal of listen(): %s', ([, make]) => {
  it('that has aborted: the server is closed, and never bound', async () => {
    const server = make()
    let binds = 0
    server.serverBind = () => void binds++
    await expect(server.listen({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(binds).toBe(0)
    expect(await server.closed).toMatchObject({ finished: 0, aborted: 0 })
  })

  it('that aborts while it binds: listen() throws its reason, and what was bound is given back', async () => {
    const server = make()
    const controller = new AbortController()
    const listening = server.listen({ signal: controller.signal })
    controller.abort(reason)
    await expect(listening).rejects.toBe(reason)
    await server.closed
    expect(server.fileno()).toBe(undefined)
    expect(listenersOf(controller.signal)).toBe(0)
  })

  it('that aborts later closes the server, as close() does', async () => {
    const server = make()
    const controller = new AbortController()
    expect(await server.listen({ signal: controller.signal })).toBe(server)
    const loop = server.requests().next()
    controller.abort()
    expect(server.stopping.aborted).toBe(true)
    // One of its own may have nobody who answers.
    expect(await loop).toEqual({ done: true, value: undefined })
    await server.closed
    await expect(server.listen()).rejects.toThrow(ClosedError)
  })

  it('that lives on keeps nothing of the server, however that was closed', async () => {
    const { signal } = new AbortController()
    for (const close of ['close', 'break', 'never bound'] as const) {
      const server = make()
      if (close === 'never bound') {
        server.serverActivate = () => Promise.reject(new Error('no'))
        await expect(server.listen({ signal })).rejects.toThrow('no')
      } else {
        await server.listen({ signal })
        await server.listen({ signal })
        expect(listenersOf(signal)).toBe(2)
        if (close === 'close') await server.close()
        else await server.requests().return?.()
      }
      await server.closed
      expect(listenersOf(signal)).toBe(0)
    }
  })
})

describe('a signal of listen()', () => {
  it('that has aborted closes a server that listens already', async () => {
    const server = await new TCPServer().listen()
    await expect(server.listen({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    await server.closed
  })

  it('tells what went wrong, where that came first', async () => {
    const taken = await new TCPServer().listen()
    const controller = new AbortController()
    const server = new TCPServer({ port: taken.address.port })
    await expect(server.listen({ signal: controller.signal })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    controller.abort(reason)
    await taken.close()
  })
})

describe('a signal of serveForever()', () => {
  const stage = parallel((request: Request) => request.wfile.end())

  it('that has aborted: nobody is served, and the report is given', async () => {
    const server = new MemoryServer()
    const report = await server.serveForever(stage, { signal: AbortSignal.abort() })
    expect(report).toEqual({ finished: 0, aborted: 0, refused: 0, stillOpen: [] })
  })

  it('that aborts ends it when those inside have ended', async () => {
    const server = await new MemoryServer().listen()
    const controller = new AbortController()
    const gate = deferred<void>()
    const serving = server.serveForever(
      parallel(async ({ wfile }: Request) => {
        await gate.promise
        await wfile.end('served')
      }),
      { signal: controller.signal }
    )
    const client = server.connect()
    client.end()
    await server.waitForConnections((open) => open === 1)
    controller.abort()
    expect(await settled(serving)).toBe(false)
    gate.resolve()
    expect(await serving).toMatchObject({ finished: 1, aborted: 0 })
    client.destroy()
  })

  it('keeps nothing where the stage ends for another reason: it breaks, it throws, the source has ended', async () => {
    const { signal } = new AbortController()
    const breaks = async function* (): AsyncGenerator<never> {}
    const throws = async function* (): AsyncGenerator<never> {
      yield await Promise.reject(reason)
    }
    await new MemoryServer().serveForever(breaks, { signal })
    await expect(new MemoryServer().serveForever(throws, { signal })).rejects.toBe(reason)
    class One extends BaseServer<MessageRequest> {
      left = 1
      override getRequest(): MessageRequest | undefined {
        return this.left-- > 0 ? new MessageRequest({ server: this, packet: 'one' }) : undefined
      }
    }
    expect((await new One().serveForever(stage, { signal })).aborted).toBe(0)
    expect(listenersOf(signal)).toBe(0)
  })
})

describe('a signal of close()', () => {
  const forever = Number.POSITIVE_INFINITY

  it.for(['native', 'node'] as const)(
    'cuts those inside off when it aborts, and the report names them: %s',
    async (backend) => {
      const server = await new TCPServer({ backend }).listen()
      const got: Request[] = []
      server.handleError = () => {}
      const serving = server.serveForever(
        parallel((request: Request) => {
          got.push(request)
          return once(request.signal, 'abort')
        })
      )
      const client = await dial(server.address)
      client.on('error', () => {}).resume()
      await server.waitForConnections((open) => open === 1)
      const controller = new AbortController()
      const closing = server.close({ deadline: forever, signal: controller.signal })
      expect(await settled(closing)).toBe(false)
      controller.abort()
      const report = await closing
      expect(report.stillOpen).toMatchObject([{ request: got[0] }])
      expect(got[0]?.signal.reason).toMatchObject({ cause: 'deadline' })
      expect(await serving).toBe(report)
      expect(listenersOf(controller.signal)).toBe(0)
      client.destroy()
    }
  )

  it('that has aborted, or of a second call, cuts them off at once', async () => {
    for (const second of [false, true]) {
      const server = await new MemoryServer().listen()
      server.connect()
      const { value } = await server.requests({ closeOnReturn: false }).next()
      if (second) void server.close({ deadline: forever })
      const report = await server.close({ deadline: forever, signal: AbortSignal.abort() })
      expect(report.stillOpen).toMatchObject([{ request: value }])
    }
  })

  it('that never aborts keeps nothing, and changes nothing', async () => {
    const { signal } = new AbortController()
    const server = await new MemoryServer().listen()
    const calls = [server.close({ signal }), server.close({ signal })]
    const [first, second] = await Promise.all(calls)
    expect(first).toBe(second)
    expect(await server.close({ signal })).toBe(first)
    expect(await server.close({ signal: AbortSignal.abort() })).toBe(first)
    expect(listenersOf(signal)).toBe(0)
  })
})

describe('what is no signal', () => {
  it('is a TypeError, and closes nothing', async () => {
    const wrong = { signal: {} as never }
    const message = /^Option signal must be an AbortSignal: got/
    const server = new MemoryServer()
    await expect(server.listen(wrong)).rejects.toThrow(message)
    await expect(server.listen({ signal: null } as never)).rejects.toThrow(message)
    await expect(
      server.serveForever(
        parallel(() => {}),
        wrong
      )
    ).rejects.toThrow(message)
    expect(() => server.close(wrong)).toThrow(message)
    expect(() => server.close({ signals: 1 } as object)).toThrow(/has no option signals/)
    await expect(server.listen({ deadline: 1 } as object)).rejects.toThrow(/has no option deadline/)
    await expect(
      server.serveForever(
        parallel(() => {}),
        { deadline: 1 } as object
      )
    ).rejects.toThrow(/has no option deadline/)
    expect(server.stopping.aborted).toBe(false)
    await server.listen()
    await server.close()
  })
})
