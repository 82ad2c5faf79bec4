import type { Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type Address,
  type InternetAddress,
  ListenError,
  parallel,
  pipe,
  type Request,
  runUntilSignal,
  type StreamRequest,
  TCPServer,
  UDPServer
} from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { type LiveChild, startChild } from '../support/live-child.ts'
import { listeningSocket } from '../support/made-sockets.ts'
import { dial, received, temporaryPath } from '../support/peers.ts'

/** A server that answers a line by what `answer` makes of it, run until a signal; it says where it is, what it hears, and its report. */
const program = (answer: string, options = '', before = ''): string => `
  ${before}
  const server = new lib.TCPServer({ port: 0 }, async ({ rfile, wfile }) => {
    const line = String(await rfile.readLine({ chomp: true }))
    ${answer}
  })
  server.handleError = () => {}
  const onSignal = (signal, action) => console.log(signal, action)
  const running = lib.runUntilSignal(server, { stage: lib.parallel(server.handler), onSignal, ${options} })
  await server.listen()
  console.log(JSON.stringify(server.address))
  const { finished, aborted } = await running
  console.log(JSON.stringify({ finished, aborted, open: server.stats().open }))
`
const echoing = "await wfile.write('got ' + line)"

async function run(source: string): Promise<{ child: LiveChild; address: InternetAddress }> {
  const child = startChild(source)
  return { child, address: JSON.parse(await child.line()) as InternetAddress }
}

/** A client in whose middle the server is, when it has its first byte. */
async function inside(address: Address): Promise<Socket> {
  const client = await dial(address)
  client.on('error', () => {})
  onTestFinished(() => void client.destroy())
  client.write('a li')
  return client
}

const send = (child: LiveChild, signal: NodeJS.Signals): void => child.signal(signal)

describe('runUntilSignal', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`lets those inside finish at ${signal}, and exits with 0`, async () => {
      const { child, address } = await run(program(echoing))
      const clients = await Promise.all(Array.from({ length: 10 }, () => inside(address)))
      send(child, signal)
      expect(await child.line()).toBe(`${signal} drain`)
      const answers = clients.map(async (client) => {
        client.end('ne\n')
        expect((await received(client)).toString()).toBe('got a line')
      })
      await Promise.all(answers)
      expect(JSON.parse(await child.line())).toEqual({ finished: 10, aborted: 0, open: 0 })
      expect(await child.exited).toEqual([0, null])
    })
  }

  it('sends what is on its way, to the last byte', async () => {
    const size = 8 * 2 ** 20
    const { child, address } = await run(program(`wfile.write(Buffer.alloc(${size}, line))`))
    const client = await dial(address)
    client.end('x\n')
    client.pause()
    await new Promise((resolve) => client.once('readable', resolve))
    send(child, 'SIGTERM')
    expect(await child.line()).toBe('SIGTERM drain')
    expect((await received(client)).equals(Buffer.alloc(size, 'x'))).toBe(true)
    expect(JSON.parse(await child.line())).toMatchObject({ aborted: 0 })
    expect(await child.exited).toEqual([0, null])
  })

  it('exits with 1 where the deadline has cut somebody off', async () => {
    const { child, address } = await run(program(echoing, 'deadline: 1'))
    await inside(address)
    send(child, 'SIGTERM')
    expect(await child.line()).toBe('SIGTERM drain')
    expect(JSON.parse(await child.line())).toMatchObject({ finished: 0, aborted: 1 })
    expect(await child.exited).toEqual([1, null])
  })

  it('leaves an exit code that is there', async () => {
    const { child, address } = await run(program(echoing, 'deadline: 1', 'process.exitCode = 7'))
    await inside(address)
    send(child, 'SIGTERM')
    expect(await child.exited).toEqual([7, null])
  })

  for (const [first, second, code] of [
    ['SIGTERM', 'SIGINT', 130],
    ['SIGINT', 'SIGTERM', 143]
  ] as const) {
    it(`cuts off at once at ${second} after ${first}, and exits with ${code}`, async () => {
      const { child, address } = await run(program(echoing, 'deadline: Infinity'))
      await inside(address)
      send(child, first)
      expect(await child.line()).toBe(`${first} drain`)
      send(child, second)
      expect(await child.line()).toBe(`${second} cut`)
      expect(JSON.parse(await child.line())).toMatchObject({ aborted: 1 })
      expect(await child.exited).toEqual([code, null])
    })
  }

  it('takes the same signal again for a second one, when it comes later', async () => {
    const { child, address } = await run(program(echoing, 'deadline: Infinity'))
    await inside(address)
    const again = setInterval(() => child.signal('SIGINT'), 50)
    try {
      expect(await child.line()).toBe('SIGINT drain')
      expect(await child.line()).toBe('SIGINT cut')
    } finally {
      clearInterval(again)
    }
    expect(JSON.parse(await child.line())).toMatchObject({ aborted: 1 })
    expect(await child.exited).toEqual([130, null])
  })

  it('dies of a third one, where it has not come to its end', async () => {
    const stuck = `
      setInterval(() => {}, 1_000)
      lib.TCPServer.prototype.serverRelease = () => new Promise(() => {})
    `
    const { child } = await run(program(echoing, "signals: ['SIGTERM', 'SIGINT', 'SIGUSR2']", stuck))
    send(child, 'SIGTERM')
    expect(await child.line()).toBe('SIGTERM drain')
    send(child, 'SIGINT')
    expect(await child.line()).toBe('SIGINT cut')
    send(child, 'SIGUSR2')
    expect(await child.exited).toEqual([null, 'SIGUSR2'])
  })

  it('does not wait for a handler that does not mind being cut off', async () => {
    const { child, address } = await run(program('await new Promise(() => {})', 'deadline: 1'))
    const client = await dial(address)
    client.on('error', () => {})
    client.write('line\n')
    send(child, 'SIGTERM')
    expect(await child.line()).toBe('SIGTERM drain')
    expect(JSON.parse(await child.line())).toMatchObject({ aborted: 1, open: 0 })
    expect(await child.exited).toEqual([1, null])
  })

  it('leaves other signals alone', async () => {
    const { child } = await run(program(echoing))
    send(child, 'SIGHUP')
    expect(await child.exited).toEqual([null, 'SIGHUP'])
  })

  it('runs several servers, and holds nothing when the program has closed them', async () => {
    const child = startChild(`
      const echo = (request) => lib.pipe(request, request)
      const servers = [new lib.TCPServer({}, echo), new lib.UDPServer({}, echo), new lib.UnixStreamServer({ path: ${JSON.stringify(temporaryPath())} }, echo)]
      const before = process.listenerCount('SIGTERM')
      const running = lib.runUntilSignal(servers)
      await Promise.all(servers.map((server) => server.listen()))
      console.log(process.listenerCount('SIGTERM') - before)
      for (const server of servers) await server.close()
      console.log((await running).length, process.listenerCount('SIGTERM') - before)
    `)
    expect(await child.line()).toBe('1')
    expect(await child.line()).toBe('3 0')
    expect(await child.exited).toEqual([0, null])
  })

  it('closes the others where one cannot listen, and throws its error', async () => {
    const { address } = listeningSocket()
    const child = startChild(`
      const echo = (request) => lib.pipe(request, request)
      const servers = [new lib.TCPServer({}, echo), new lib.TCPServer({ port: ${(address as InternetAddress).port} }, echo)]
      const error = await lib.runUntilSignal(servers).catch((error) => error)
      console.log(error.name, error.code, process.listenerCount('SIGTERM'))
      for (const server of servers) console.log((await server.closed).aborted)
    `)
    expect(await child.line()).toBe('ListenError EADDRINUSE 0')
    expect([await child.line(), await child.line()]).toEqual(['0', '0'])
    expect(await child.exited).toEqual([0, null])
  })
})

describe('runUntilSignal in this process', () => {
  const signals = ['SIGUSR2'] as const
  const echo = (request: Request): Promise<unknown> => pipe(request, request)

  it('closes the others, with the same deadline, where one fails while it serves', async () => {
    const other = new TCPServer({}, echo)
    const failing = new TCPServer()
    let deadline: number | undefined
    const close = other.close.bind(other)
    other.close = (options) => {
      deadline = options?.deadline
      return close(options)
    }
    const running = runUntilSignal([other, failing], { signals, deadline: 1_234 })
    await expect(running).rejects.toThrow('neither serveForever() nor the server was given a handler')
    expect(deadline).toBe(1_234)
    expect(await Promise.all([other.closed, failing.closed])).toHaveLength(2)
    expect(process.listenerCount('SIGUSR2')).toBe(0)
  })

  it('hears a signal while a server is about to listen', async () => {
    const about = deferred<void>()
    const go = deferred<void>()
    class Late extends TCPServer {
      override async serverBind(): Promise<void> {
        about.resolve()
        await go.promise
        await super.serverBind()
      }
    }
    const servers = [new Late({}, echo), new TCPServer({}, echo)]
    const running = runUntilSignal(servers, { signals })
    await about.promise
    process.kill(process.pid, 'SIGUSR2')
    await Promise.all(
      servers.map(({ stopping }) => new Promise((resolve) => stopping.addEventListener('abort', resolve)))
    )
    go.resolve()
    expect(await running).toMatchObject([{ aborted: 0 }, { aborted: 0 }])
  })

  it('waits for no server that never gets to listen, neither after a signal nor where another one cannot', async () => {
    class Stuck extends TCPServer {
      override serverBind(): Promise<void> {
        return new Promise(() => {})
      }
    }
    const running = runUntilSignal([new Stuck({}, echo), new TCPServer({}, echo)], { signals, deadline: 0 })
    process.kill(process.pid, 'SIGUSR2')
    expect(await running).toMatchObject([{ aborted: 0 }, { aborted: 0 }])
    const { address } = listeningSocket()
    const taken = new TCPServer({ port: (address as InternetAddress).port }, echo)
    const failing = runUntilSignal([new Stuck({}, echo), taken], { signals, deadline: 0 })
    await expect(failing).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  it('goes on with the others where the program closes one of them', async () => {
    const [one, two] = [new TCPServer({}, echo), new UDPServer({}, echo)]
    const running = runUntilSignal([one, two], { signals, stage: parallel(echo) })
    await Promise.all([one.listen(), two.listen()])
    await one.close()
    expect(two.stopping.aborted).toBe(false)
    await two.close()
    expect(await running).toHaveLength(2)
  })

  it('rejects with what is wrong with its arguments, and with a server that is closed', async () => {
    const server = new TCPServer({}, echo)
    await expect(runUntilSignal(undefined as never)).rejects.toThrow('runUntilSignal takes a server, or an array')
    await expect(runUntilSignal(server, { stage: 7 as never })).rejects.toThrow('serveForever takes a stage')
    await expect(runUntilSignal(server, { deadline: -1 })).rejects.toThrow(RangeError)
    await expect(runUntilSignal(server, { stages: 1 } as never)).rejects.toThrow('runUntilSignal has no option stages')
    await server.close()
    await expect(runUntilSignal(server)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })

  it('types the stage by its server', async () => {
    const server = new TCPServer()
    const peers: (number | undefined)[] = []
    const stage = parallel((request: StreamRequest) => void peers.push(request.clientAddress && 1))
    const running = runUntilSignal(server, { signals, stage })
    await server.listen()
    await server.close()
    expect((await running).finished).toBe(0)
    const { address } = listeningSocket()
    const taken = new TCPServer({ port: (address as InternetAddress).port }, echo)
    await expect(runUntilSignal(taken, { signals })).rejects.toThrow(ListenError)
  })
})
