import { describe, expect, it } from 'vitest'
import {
  BaseServer,
  drain,
  MessageRequest,
  parallel,
  pipe,
  type Request,
  StreamRequestHandler,
  sequential
} from '../../lib/index.ts'
import { dial, exchange, received } from '../support/peers.ts'
import { tcp } from '../support/servers.ts'
import { unhandled } from '../support/unhandled.ts'

describe('a forgotten await', () => {
  it('on a read ends neither the process nor the loop', async () => {
    const reasons = unhandled()
    const server = await tcp()
    const serving = drain(sequential((request: Request) => void request.rfile.readLine())(server))
    const client = await dial(server.address)
    expect((await received(client)).toString()).toBe('')
    client.end()
    expect(await exchange(server.address, '')).toBe('')
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ served: 2, open: 0 })
    expect(reasons).toEqual([])
  })

  it('on a write of what is still to come is a TypeError that says so', async () => {
    const server = await tcp()
    const outcome = server.handleRequest((request: Request) => request.wfile.write(request.rfile.read() as never))
    expect(await exchange(server.address, 'x')).toBe('')
    expect(await outcome).toMatchObject({
      status: 'rejected',
      reason: { name: 'TypeError', message: expect.stringContaining('is an await missing?') }
    })
  })
})

describe('a mode over things that are no requests', () => {
  for (const thing of [{ id: 1 }, 1, 'row', null, undefined]) {
    it(`ends with a TypeError that shows what came: ${JSON.stringify(thing)}`, async () => {
      let returned = 0
      const source = {
        [Symbol.asyncIterator]: () => ({
          next: async () => ({ done: false, value: thing as never }),
          return: async () => {
            returned++
            return { done: true as const, value: undefined }
          }
        })
      }
      await expect(
        pipe(
          source,
          parallel(() => {}),
          drain
        )
      ).rejects.toThrow(/^A mode takes a source of requests: got /)
      expect(returned).toBe(1)
    })
  }

  it('is refused where getRequest makes them, and the server closes', async () => {
    class Rows extends BaseServer {
      override getRequest(): never {
        return { id: 1 } as never
      }
    }
    const server = new Rows()
    await expect(drain(server)).rejects.toThrow(/^getRequest must return a request .*got { id: 1 }/)
    expect(await server.closed).toMatchObject({ aborted: 0 })
  })

  it('is refused where a message is made without a server', () => {
    expect(() => new MessageRequest({ packet: 'x' } as never)).toThrow(/^Option server must be a server/)
  })
})

describe('a handler', () => {
  it('without handle() fails its request with a TypeError', async () => {
    class Typo extends StreamRequestHandler {
      handel(): void {}
    }
    const server = await tcp()
    const outcome = server.handleRequest(Typo)
    expect(await exchange(server.address, 'x')).toBe('')
    expect(await outcome).toMatchObject({
      status: 'rejected',
      reason: { message: 'Cannot serve: Typo has no handle()' }
    })
  })

  it('given in place of a stage is a TypeError, and the server closes', async () => {
    const server = await tcp()
    await expect(server.serveForever((async () => {}) as never)).rejects.toThrow(/^serveForever takes a stage, such as/)
    expect(await server.closed).toMatchObject({ aborted: 0 })
  })

  it('may end its output with the last bytes', async () => {
    const server = await tcp()
    const outcome = server.handleRequest((request: Request) => request.wfile.end('bye'))
    expect(await exchange(server.address, '')).toBe('bye')
    expect(await outcome).toMatchObject({ status: 'fulfilled' })
  })

  it('may stop reading lines when the server stops, and say goodbye', async () => {
    class Polite extends StreamRequestHandler {
      override async handle(): Promise<void> {
        for await (const line of this.rfile.lines({ signal: this.request.stopping })) await this.wfile.write(line)
        await this.wfile.write('goodbye\n')
      }
    }
    const server = await tcp()
    const serving = drain(parallel(Polite)(server))
    const client = await dial(server.address)
    const reply = received(client)
    client.write('hello\n')
    while (server.stats().bytesOut < 6) await new Promise((resolve) => setImmediate(resolve))
    const closing = server.close()
    expect((await reply).toString()).toBe('hello\ngoodbye\n')
    client.end()
    expect(await closing).toMatchObject({ finished: 1, aborted: 0 })
    await serving
    expect(server.errors).toEqual([])
  })

  it('reads no line at all with a signal that aborted before', async () => {
    const server = await tcp()
    const lines: string[] = []
    const outcome = server.handleRequest(async (request: Request) => {
      for await (const line of request.rfile.lines({ signal: AbortSignal.abort() })) lines.push(line.toString())
      return (await request.rfile.readAll()).toString()
    })
    await exchange(server.address, 'a\nb\n')
    expect(await outcome).toMatchObject({ status: 'fulfilled', value: 'a\nb\n' })
    expect(lines).toEqual([])
  })
})
