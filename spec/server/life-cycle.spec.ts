import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import {
  BaseServer,
  ClosedError,
  type MessageRequest,
  NotListeningError,
  parallel,
  type Report,
  type StreamRequest,
  sequential,
  TCPServer,
  UDPServer,
  UnixStreamServer
} from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { runChild } from '../support/child.ts'
import { overhear, settled } from '../support/events.ts'
import { exchange, temporaryPath } from '../support/peers.ts'
import { QuietTCPServer } from '../support/quiet.ts'

const nobody: Report = { finished: 0, aborted: 0, refused: 0, stillOpen: [] }
const forever = Number.POSITIVE_INFINITY

const makers = {
  BaseServer: () => new BaseServer(),
  TCPServer: () => new TCPServer(),
  UnixStreamServer: () => new UnixStreamServer({ path: temporaryPath() }),
  UDPServer: () => new UDPServer()
}

type AnyServer = BaseServer | TCPServer | UnixStreamServer | UDPServer

describe('listen', () => {
  for (const [name, make] of Object.entries<() => AnyServer>(makers)) {
    it(`may be called twice, also at once: ${name}`, async () => {
      const server = make()
      let binds = 0
      const { serverBind } = server
      server.serverBind = () => {
        binds++
        return serverBind.call(server)
      }
      expect(await Promise.all([server.listen(), server.listen()])).toEqual([server, server])
      const { address } = server
      expect(await server.listen()).toBe(server)
      expect(server.address).toEqual(address)
      expect(binds).toBe(1)
      await server.close()
    })

    it(`throws a ClosedError after the close, and while it goes on: ${name}`, async () => {
      const server = await make().listen()
      const closing = server.close()
      await expect(server.listen()).rejects.toThrow(new ClosedError('Cannot listen: the server is closing'))
      await closing
      await expect(server.listen()).rejects.toThrow(new ClosedError('Cannot listen: the server is closed'))
      expect(await server[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined })
      await expect(server.serveForever(sequential(() => {}))).rejects.toThrow(ClosedError)
      await expect(server.handleRequest(() => {})).rejects.toThrow(ClosedError)
    })

    it(`is not needed before the close: ${name}`, async () => {
      const server = make()
      expect(await settled(server.closed)).toBe(false)
      expect(await server.close()).toEqual(nobody)
      expect(await server.closed).toEqual(nobody)
      await expect(server.listen()).rejects.toThrow(ClosedError)
    })

    it(`is overtaken by a close that comes during it: ${name}`, async () => {
      const server = make()
      const listening = server.listen()
      const closing = server.close({ deadline: forever })
      await expect(listening).rejects.toThrow(new ClosedError('Cannot listen: the server was closed meanwhile'))
      expect(await closing).toEqual(nobody)
      expect(server.fileno()).toBe(undefined)
    })

    it(`is done by whoever asks for a request first: ${name}`, async () => {
      const server = make()
      const asking = server[Symbol.asyncIterator]().next()
      await server.listen()
      await server.close()
      expect(await asking).toEqual({ done: true, value: undefined })
    })
  }

  it('gives its port back where a close comes during it', async () => {
    const bound = deferred<number>()
    class Slow extends TCPServer {
      override async serverActivate(): Promise<void> {
        await super.serverActivate()
        bound.resolve(this.address.port)
        await once(this.stopping, 'abort')
      }
    }
    const server = new Slow()
    const listening = server.listen()
    const port = await bound.promise
    const closing = server.close()
    await expect(listening).rejects.toThrow(ClosedError)
    await closing
    const heir = await new TCPServer({ port }).listen()
    expect(heir.address.port).toBe(port)
    await heir.close()
  })

  it('leaves the address untold until it is done, and known after the close', async () => {
    const server = new TCPServer()
    expect(() => server.address).toThrow(NotListeningError)
    await server.listen()
    const { address } = server
    await server.close()
    expect(server.address).toEqual(address)
  })
})

describe('fileno', () => {
  const { TCPServer: tcp, UnixStreamServer: unix } = makers
  for (const [name, make] of Object.entries<() => AnyServer>({ TCPServer: tcp, UnixStreamServer: unix })) {
    it(`is the descriptor while the server listens: ${name}`, async () => {
      const server = make()
      expect(server.fileno()).toBe(undefined)
      await server.listen()
      expect(server.fileno()).toBeGreaterThan(2)
      const other = await new TCPServer().listen()
      expect(other.fileno()).not.toBe(server.fileno())
      await server.close()
      await other.close()
      expect(server.fileno()).toBe(undefined)
    })
  }

  it('is undefined where there is none', () => {
    expect(new BaseServer().fileno()).toBe(undefined)
  })
})

describe('serveForever', () => {
  it('closes the server where its stage ends', async () => {
    const server = await new QuietTCPServer().listen()
    const reply = exchange(server.address, '')
    const one = async function* (source: AsyncIterable<StreamRequest> | Iterable<StreamRequest>) {
      for await (const outcome of sequential((request: StreamRequest) => request.wfile.write('one'))(source)) {
        yield outcome
        return
      }
    }
    expect(await server.serveForever(one)).toMatchObject({ aborted: 0, refused: 0 })
    expect(await reply).toBe('one')
  })

  it('uses the mode that a subclass says', async () => {
    const met = deferred<void>()
    let inside = 0
    class Threading extends QuietTCPServer {
      override stage() {
        return parallel<StreamRequest>(async () => {
          inside++
          if (inside === 2) met.resolve()
          await met.promise
        })
      }
    }
    const server = await new Threading().listen()
    const serving = server.serveForever()
    expect(await Promise.all([exchange(server.address, ''), exchange(server.address, '')])).toEqual(['', ''])
    await server.close()
    await serving
    expect(server.errors).toEqual([])
  })

  it('rejects, and the server closes, where its source is dead', async () => {
    const dead = new Error('dead')
    class Dead extends BaseServer {
      override getRequest(): never {
        throw dead
      }
    }
    const server = new Dead({}, () => {})
    await expect(server.serveForever()).rejects.toThrow(dead)
    expect(await server.closed).toEqual(nobody)
  })
})

describe('handleRequest', () => {
  it('closes the server where its source is dead', { timeout: 5_000 }, async () => {
    const dead = new Error('dead')
    class Dead extends BaseServer {
      override async getRequest(): Promise<never> {
        throw dead
      }
    }
    const server = new Dead({}, () => {})
    await expect(server.handleRequest()).rejects.toThrow(dead)
    expect(await server.closed).toEqual(nobody)
  })

  it('waits in turn: of two calls each gets one request', async () => {
    const server = await new QuietTCPServer().listen()
    const served: string[] = []
    const handlings = ['first', 'second'].map((name) => server.handleRequest(() => void served.push(name)))
    expect(await exchange(server.address, '')).toBe('')
    expect(served).toEqual(['first'])
    expect(await exchange(server.address, '')).toBe('')
    expect(served).toEqual(['first', 'second'])
    expect((await Promise.all(handlings)).map((outcome) => outcome?.status)).toEqual(['fulfilled', 'fulfilled'])
    await server.close()
  })

  it('keeps waiting after a refused request', async () => {
    using refused = overhear('refused')
    class Second extends QuietTCPServer {
      count = 0

      override verifyRequest(): boolean {
        this.count++
        return this.count === 2
      }
    }
    const server = await new Second().listen()
    const handling = server.handleRequest((request) => request.wfile.write('in'))
    expect(await exchange(server.address, '')).toBe('')
    await refused.count(1)
    expect(await settled(handling)).toBe(false)
    expect(await exchange(server.address, '')).toBe('in')
    expect((await handling)?.status).toBe('fulfilled')
    await server.close()
  })

  it('returns undefined, and calls no handleTimeout, where the server closes or its requests end', async () => {
    let timeouts = 0
    class Short extends BaseServer<MessageRequest> {
      override handleTimeout(): void {
        timeouts++
      }
    }
    expect(await new Short().handleRequest(() => {}, { timeout: 60_000 })).toBe(undefined)
    const server = await new QuietTCPServer().listen()
    server.handleTimeout = () => void timeouts++
    const handling = server.handleRequest(() => {}, { timeout: 60_000 })
    expect(await settled(handling)).toBe(false)
    await server.close()
    expect(await handling).toBe(undefined)
    expect(timeouts).toBe(0)
  })

  it('rejects with what handleTimeout throws, and the server goes on', async () => {
    const server = await new QuietTCPServer().listen()
    server.handleTimeout = () => Promise.reject(new Error('tired'))
    await expect(server.handleRequest(() => {}, { timeout: 0 })).rejects.toThrow('tired')
    const handling = server.handleRequest((request) => request.wfile.write('awake'))
    expect(await exchange(server.address, '')).toBe('awake')
    await handling
    await server.close()
  })
})

describe('ref and unref', () => {
  it('return the server, at any time', async () => {
    for (const make of Object.values<() => AnyServer>(makers)) {
      const server = make()
      expect(server.unref()).toBe(server)
      await server.listen()
      expect(server.ref()).toBe(server)
      expect(server.unref()).toBe(server)
      await server.close()
      expect(server.unref().ref()).toBe(server)
    }
  })

  const path = JSON.stringify(temporaryPath())
  const children: Record<string, string> = {
    'before they listen': 'await Promise.all(servers.map((server) => server.unref().listen()))',
    'while they listen': 'for (const server of servers) (await server.listen()).unref()',
    'while they serve': `
      for (const server of servers) {
        await server.listen()
        void server.serveForever(lib.parallel(() => {}))
        server.unref()
      }
    `
  }
  for (const [when, script] of Object.entries(children)) {
    it(`let the process end: unref ${when}`, async () => {
      const { code, stdout, stderr } = await runChild(`
        const servers = [new lib.TCPServer(), new lib.UDPServer(), new lib.UnixStreamServer({ path: ${path} })]
        ${script}
        console.log(servers.map(({ address }) => address.family).join())
      `)
      expect({ code, stdout: stdout.trim(), stderr }).toEqual({ code: 0, stdout: 'IPv4,IPv4,unix', stderr: '' })
    })
  }

  it('hold the process again: it ends when the server is closed', async () => {
    const { code, stdout, stderr } = await runChild(`
      const server = await new lib.TCPServer().unref().listen()
      server.ref()
      // This holds nothing; were the server unheld, the process would have ended before it.
      setTimeout(() => {
        console.log('still here')
        void server.close()
      }, 50).unref()
      void server.serveForever(lib.parallel(() => {})).then(() => console.log('served'))
    `)
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'still here\nserved\n', stderr: '' })
  })
})
