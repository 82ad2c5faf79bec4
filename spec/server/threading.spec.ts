import { describe, expect, it } from 'vitest'
import {
  BaseRequestHandler,
  DatagramRequestHandler,
  drain,
  framed,
  lines,
  parallel,
  type Request,
  StreamRequestHandler,
  ThreadingTCPServer,
  ThreadingUDPServer,
  ThreadingUnixStreamServer
} from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { exchange, exchangeDatagram, temporaryPath } from '../support/peers.ts'
import { tcp } from '../support/servers.ts'
import { turns } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

interface Served {
  ask(text: string): Promise<string>
  close(): Promise<unknown>
}

type Service = new (request: Request) => BaseRequestHandler

/** Every way to serve, with a limit of `limit` at a time. */
const grid: Record<string, (service: Service, limit?: number) => Promise<Served>> = {
  ThreadingTCPServer: async (service, limit) => {
    const server = await new ThreadingTCPServer(limited({}, limit), service).listen()
    return forever(server, (text) => exchange(server.address, text))
  },
  ThreadingUDPServer: async (service, limit) => {
    const server = await new ThreadingUDPServer(limited({}, limit), service).listen()
    return forever(server, (text) => exchangeDatagram(server.address, text))
  },
  ThreadingUnixStreamServer: async (service, limit) => {
    const server = await new ThreadingUnixStreamServer(limited({ path: temporaryPath() }, limit), service).listen()
    return forever(server, (text) => exchange(server.address, text))
  }
}

function limited<O>(options: O, limit: number | undefined): O & { limit?: number } {
  return { ...options, ...(limit !== undefined && { limit }) }
}

function forever(
  server: { serveForever(): Promise<unknown>; close(): Promise<unknown> },
  ask: (text: string) => Promise<string>
): Served {
  const serving = server.serveForever()
  return { ask, close: () => Promise.all([server.close(), serving]) }
}

for (const [name, open] of Object.entries(grid)) {
  describe(name, () => {
    it('serves side by side, without a stage', async () => {
      const gate = deferred<void>()
      class Waits extends BaseRequestHandler {
        override async handle(): Promise<void> {
          const text = (await this.rfile.readAll()).toString()
          // Whoever serves one at a time never gets to the second.
          if (text === 'first') await gate.promise
          else gate.resolve()
          await this.wfile.write(text)
        }
      }
      const server = await open(Waits)
      const first = server.ask('first')
      expect(await server.ask('second')).toBe('second')
      expect(await first).toBe('first')
      await server.close()
    })

    for (const limit of [undefined, 2]) {
      it(`serves ${limit ?? 40} at a time${limit === undefined ? ', where no limit is given' : ''}`, async () => {
        let running = 0
        let most = 0
        class Counts extends BaseRequestHandler {
          override async handle(): Promise<void> {
            most = Math.max(most, ++running)
            while (running < (limit ?? 40) && most < (limit ?? 40)) await turns()
            await turns(2)
            running--
            await this.wfile.write('')
          }
        }
        const server = await open(Counts, limit)
        const asked = Array.from({ length: (limit ?? 40) + 3 }, () => server.ask(''))
        await Promise.all(asked)
        expect(most).toBe(limit ?? 40)
        await server.close()
      })
    }
  })
}

describe('the Threading servers', () => {
  it('check their arguments', async () => {
    expect(() => new ThreadingTCPServer({ limit: 0 })).toThrow(RangeError)
    expect(() => new ThreadingUDPServer({ limit: '2' as never })).toThrow(TypeError)
    expect(() => new ThreadingUnixStreamServer(undefined as never)).toThrow('UnixStreamServer takes an object')
    expect(() => new ThreadingTCPServer({ limt: 1 } as never)).toThrow('TCPServer has no option limt')
    expect(() => new ThreadingTCPServer({}, {} as never)).toThrow(TypeError)
    for (const server of [new ThreadingTCPServer(), new ThreadingUDPServer()]) {
      expect(() => server.stage()).toThrow('neither serveForever() nor the server was given a handler')
    }
    await new ThreadingTCPServer().close()
  })

  it('serve as they are told, where a stage is given', async () => {
    const server = await new ThreadingTCPServer({}, StreamRequestHandler).listen()
    const serving = server.serveForever(parallel(({ wfile }: Request) => wfile.write('the stage')))
    expect(await exchange(server.address, '')).toBe('the stage')
    await server.close()
    await serving
  })
})

describe('one service class', () => {
  for (const base of [StreamRequestHandler, DatagramRequestHandler, BaseRequestHandler] as Service[]) {
    class Greet extends base {
      override async handle(): Promise<void> {
        const name = await this.rfile.readLine({ chomp: true })
        await this.wfile.write(`hello ${name}`)
      }
    }

    it(`that is a ${base.name} runs unchanged over connections, datagrams and frames`, async () => {
      const replies: string[] = []
      for (const open of Object.values(grid)) {
        const server = await open(Greet)
        replies.push(await server.ask('Ada\n'))
        await server.close()
      }
      expect(replies).toEqual(['hello Ada', 'hello Ada', 'hello Ada'])
      const server = await tcp()
      const serving = drain(parallel(Greet)(framed(lines())(server)))
      expect(await exchange(server.address, 'Ada\nGrace\n')).toBe('hello Ada\nhello Grace\n')
      await server.close()
      await serving
    })
  }
})
