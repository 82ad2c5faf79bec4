import { describe, expect, it } from 'vitest'
import {
  BaseRequestHandler,
  ForkingTCPServer,
  ForkingUDPServer,
  ForkingUnixDatagramServer,
  ForkingUnixStreamServer,
  type Handler,
  parallel,
  type Report,
  type Request,
  type ServerStats,
  type Stage,
  sequential,
  through,
  type UnixAddress,
  UnixDatagramServer
} from '../../lib/index.ts'
import { zeroStats } from '../../lib/stats.ts'
import { UnixPeer } from '../support/datagram-peers.ts'
import { exchange, exchangeDatagram, temporaryPath } from '../support/peers.ts'
import { QuietTCPServer, QuietUDPServer, QuietUnixStreamServer, quiet } from '../support/quiet.ts'

/** CPython's matrix: every server, in every mode, with every kind of handler, gets three clients. */

const here = { host: '127.0.0.1', port: 0 }

interface Running {
  readonly errors: readonly unknown[]
  serve(stage?: Stage<Request, unknown>): Promise<Report>
  ask(text: string): Promise<string>
  stats(): ServerStats
  close(): Promise<Report>
}

const servers: Record<string, () => Promise<Running>> = {
  TCPServer: async () => {
    const server = await new QuietTCPServer(here).listen()
    return running(server, (text) => exchange(server.address, text), server.serveForever.bind(server))
  },
  UnixStreamServer: async () => {
    const server = await new QuietUnixStreamServer({ path: temporaryPath() }).listen()
    return running(server, (text) => exchange(server.address, text), server.serveForever.bind(server))
  },
  UDPServer: async () => {
    const server = await new QuietUDPServer(here).listen()
    return running(server, (text) => exchangeDatagram(server.address, text), server.serveForever.bind(server))
  },
  UnixDatagramServer: async () => {
    const server = await quiet(new UnixDatagramServer({ path: temporaryPath() })).listen()
    return running(server, (text) => exchangeUnixDatagram(server.address, text), server.serveForever.bind(server))
  }
}

// Python's 40 would be as many processes as there are requests under way: three, here.
const children = { maxChildren: 3 }

const forkingServers: Record<string, (module: URL) => Promise<Running>> = {
  ForkingTCPServer: async (module) => {
    const server = await quiet(new ForkingTCPServer({ ...here, ...children }, module)).listen()
    return running(server, (text) => exchange(server.address, text), server.serveForever.bind(server))
  },
  ForkingUnixStreamServer: async (module) => {
    const options = { path: temporaryPath(), ...children }
    const server = await quiet(new ForkingUnixStreamServer(options, module)).listen()
    return running(server, (text) => exchange(server.address, text), server.serveForever.bind(server))
  },
  ForkingUDPServer: async (module) => {
    const server = await quiet(new ForkingUDPServer({ ...here, ...children }, module)).listen()
    return running(server, (text) => exchangeDatagram(server.address, text), server.serveForever.bind(server))
  },
  ForkingUnixDatagramServer: async (module) => {
    const options = { path: temporaryPath(), ...children }
    const server = await quiet(new ForkingUnixDatagramServer(options, module)).listen()
    return running(server, (text) => exchangeUnixDatagram(server.address, text), server.serveForever.bind(server))
  }
}

async function exchangeUnixDatagram({ path }: UnixAddress, text: string): Promise<string> {
  using peer = new UnixPeer(temporaryPath())
  return (await peer.exchange(path, text)).toString()
}

function running(
  server: Pick<Running, 'errors' | 'stats' | 'close'>,
  ask: Running['ask'],
  serve: Running['serve']
): Running {
  return { errors: server.errors, ask, serve, stats: () => server.stats(), close: () => server.close() }
}

const modes: Record<string, (handler: Handler) => Stage<Request, unknown>> = {
  sequential: (handler) => sequential(handler),
  parallel: (handler) => parallel(handler),
  'parallel with one permit': (handler) => parallel(handler, { limit: 1 })
}

class Shout extends BaseRequestHandler {
  #line: Buffer | undefined

  override async setup() {
    this.#line = await this.rfile.readLine()
  }

  override async handle() {
    await this.wfile.write(String(this.#line).toUpperCase())
  }

  override async finish() {
    await this.wfile.write('bye\n')
  }
}

const handlers: Record<string, Handler> = {
  'a handler class': Shout,
  'a handler function': async ({ rfile, wfile }) => {
    await wfile.write(String(await rfile.readLine()).toUpperCase())
    await wfile.write('bye\n')
  },
  'through(transform)': through(async function* (source) {
    let text = ''
    for await (const bytes of source) text += Buffer.from(bytes.subarray()).toString()
    yield text.toUpperCase()
    yield 'bye\n'
  })
}

/** Three clients at once, then the close. */
async function checkThree(server: Running, stage?: Stage<Request, unknown>): Promise<void> {
  const serving = server.serve(stage)
  const replies = await Promise.all(['one\n', 'two\n', 'three\n'].map((text) => server.ask(text)))
  expect(replies).toEqual(['ONE\nbye\n', 'TWO\nbye\n', 'THREE\nbye\n'])
  const report = await server.close()
  expect(await serving).toBe(report)
  expect(report).toMatchObject({ aborted: 0, refused: 0, stillOpen: [] })
  expect(server.errors).toEqual([])
  expect(server.stats()).toEqual({
    ...zeroStats(),
    accepted: 3,
    served: 3,
    bytesIn: 'one\ntwo\nthree\n'.length,
    bytesOut: 'ONE\nbye\nTWO\nbye\nTHREE\nbye\n'.length,
    open: 0,
    waiting: 0
  })
}

for (const [name, open] of Object.entries(servers)) {
  describe(name, () => {
    for (const [mode, stage] of Object.entries(modes)) {
      for (const [kind, handler] of Object.entries(handlers)) {
        it(`${mode}, ${kind}: three clients at once`, async () => {
          await checkThree(await open(), stage(handler))
        })
      }
    }
  })
}

const modules = {
  'a handler class': './handlers/shout-class.mjs',
  'a handler function': './handlers/shout-function.mjs',
  'through(transform)': './handlers/shout-transform.mjs'
}

for (const [name, open] of Object.entries(forkingServers)) {
  describe(name, () => {
    for (const [kind, module] of Object.entries(modules)) {
      it(`children, ${kind}: three clients at once`, async () => {
        await checkThree(await open(new URL(module, import.meta.url)))
      })
    }
  })
}
