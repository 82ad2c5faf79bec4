import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  ClosedError,
  ForkingTCPServer,
  type ForkingTCPServerOptions,
  ForkingUDPServer,
  ForkingUnixDatagramServer,
  ForkingUnixStreamServer,
  parallel,
  type Request,
  StreamRequestHandler,
  WorkerStartError
} from '../../lib/index.ts'
import { identity } from '../support/certificates.ts'
import { dial, exchange, exchangeDatagram, exchangeTLS, temporaryPath } from '../support/peers.ts'
import { type Quieted, quiet } from '../support/quiet.ts'
import { turns } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

/** A module, by its source. */
const moduleOf = (source: string): URL => new URL(`data:text/javascript,${encodeURIComponent(source)}`)

const tellsPid = moduleOf('export default ({ wfile }) => wfile.end(String(process.pid))')

// Says who it is, and stays until its client ends.
const waits = moduleOf(
  'export default async ({ rfile, wfile }) => { await wfile.write(process.pid + "\\n"); await rfile.readAll() }'
)

async function forking(
  module: URL | string,
  options: ForkingTCPServerOptions = {}
): Promise<Quieted<ForkingTCPServer>> {
  const server = quiet(new ForkingTCPServer(options, module))
  onTestFinished(async () => {
    await server.close({ deadline: 0 })
  })
  return server.listen()
}

/** A client, and the process that serves it. */
async function visit({ address }: ForkingTCPServer): Promise<{ pid: number; leave(): void }> {
  const client = await dial(address)
  const pid = await new Promise<number>((resolve) => client.once('data', (line) => resolve(Number(line))))
  return { pid, leave: () => void client.end().resume() }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('a Forking server', () => {
  it('serves in children, which it tells of, and which are gone when it has closed', async () => {
    const server = await forking(tellsPid)
    expect(server.activeChildren).toEqual(new Set())
    const serving = server.serveForever()
    const pid = Number(await exchange(server.address, ''))
    expect(pid).not.toBe(process.pid)
    expect(server.activeChildren).toContain(pid)
    await server.close()
    await serving
    expect(server.activeChildren).toEqual(new Set())
    expect(isThere(pid)).toBe(false)
  })

  it('has no more children than it may, and the next client waits', async () => {
    const server = await forking(waits, { maxChildren: 2 })
    const serving = server.serveForever()
    const [first, second] = await Promise.all([visit(server), visit(server)])
    const next = visit(server)
    expect(first.pid).not.toBe(second.pid)
    first.leave()
    const third = await next
    expect(third.pid).toBe(first.pid)
    expect(server.activeChildren).toEqual(new Set([first.pid, second.pid]))
    second.leave()
    third.leave()
    expect(await server.close()).toMatchObject({ aborted: 0, refused: 0 })
    await serving
  })

  it('lets go of children that have nothing to do, but for the spares', async () => {
    const server = await forking(waits, { maxChildren: 3, spares: 2 })
    const served = [server.handleRequest(), server.handleRequest(), server.handleRequest()]
    const visits = await Promise.all([visit(server), visit(server), visit(server)])
    const before = server.activeChildren
    expect(before).toEqual(new Set(visits.map(({ pid }) => pid)))
    for (const { leave } of visits) leave()
    await Promise.all(served)
    await server.collectChildren()
    expect(server.activeChildren.size).toBe(2)
    for (const pid of server.activeChildren) expect(before).toContain(pid)
    await server.close()
  })

  it('has a process of its own for each request, as Python has, with requestsPerChild: 1', async () => {
    const server = await forking(tellsPid, { requestsPerChild: 1 })
    const serving = server.serveForever()
    const pids = new Set<string>()
    for (let client = 0; client < 3; client++) pids.add(await exchange(server.address, ''))
    expect(pids.size).toBe(3)
    await server.close()
    await serving
  })

  it('has one pool for handleRequest() and for its loops', async () => {
    const server = await forking(tellsPid, { maxChildren: 1 })
    const first = exchange(server.address, '')
    const outcome = await server.handleRequest()
    expect(outcome).toMatchObject({ status: 'fulfilled', ranBy: { pid: Number(await first) } })
    // The loop is left, and its children stay.
    const second = exchange(server.address, '')
    for await (const { ranBy } of server.stage()(server.requests({ closeOnReturn: false }))) {
      expect(ranBy).toEqual({ pid: Number(await first) })
      break
    }
    expect(await second).toBe(await first)
    const serving = server.serveForever()
    expect(await exchange(server.address, '')).toBe(await first)
    await server.close()
    await serving
  })

  it('serves as it is told, where a stage or a handler is given, and starts no child for that', async () => {
    const server = await forking(tellsPid)
    const here = ({ wfile }: Request) => wfile.end('here')
    const first = exchange(server.address, '')
    await server.handleRequest(here)
    expect(await first).toBe('here')
    const serving = server.serveForever(parallel(here))
    expect(await exchange(server.address, '')).toBe('here')
    expect(server.activeChildren).toEqual(new Set())
    await server.close()
    await serving
    // Nobody is there to serve, then: none is started.
    expect(() => server.stage()([])).toThrow(ClosedError)
  })

  it('calls its hooks here, and not in the child', async () => {
    const server = await forking(moduleOf('export default () => { throw new RangeError("in the child") }'))
    const processed: Request[] = []
    server.processRequest = async (request, work) => {
      processed.push(request)
      await work.run()
    }
    const serving = server.serveForever()
    expect(await exchange(server.address, '')).toBe('')
    await server.close()
    await serving
    expect(processed.length).toBe(1)
    expect(server.errors).toEqual([expect.objectContaining({ name: 'RangeError', message: 'in the child' })])
  })

  it('ends where its module can not be loaded, with what the child said', async () => {
    const server = await forking(moduleOf('throw new Error("the table is missing")'))
    const error: unknown = await server.serveForever().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(WorkerStartError)
    expect((error as Error).message).toMatch('the table is missing')
    await server.closed
    expect(server.activeChildren).toEqual(new Set())
  })

  it('kills a child that is stuck, when the deadline has come', async () => {
    const stuck = moduleOf(
      'export default async ({ wfile }) => { await wfile.write(process.pid + "\\n"); await wfile.flush(); for (;;); }'
    )
    const server = await forking(stuck)
    const serving = server.serveForever()
    const { pid } = await visit(server)
    expect(await server.close({ deadline: 0 })).toMatchObject({ aborted: 1 })
    await serving
    expect(isThere(pid)).toBe(false)
  })

  it('lets a client have all of its reply at the close, though it still sends', async () => {
    const size = 300_000
    const server = await forking(moduleOf(`export default ({ wfile }) => wfile.end(Buffer.alloc(${size}, 'x'))`))
    const client = await dial(server.address)
    expect((await server.handleRequest())?.status).toBe('fulfilled')
    const closing = server.close()
    // Time for a child to go that would not wait.
    await turns(200)
    let bytes = 0
    for await (const chunk of client) {
      bytes += (chunk as Buffer).length
      // Nobody reads it: a child that had gone by now would reset the connection.
      client.write(Buffer.alloc(1_000))
    }
    expect(bytes).toBe(size)
    expect(await closing).toMatchObject({ aborted: 0 })
  })

  it('makes handshakes in the child, where the module says by what', async () => {
    const { key, cert } = identity('localhost')
    const server = await forking(
      moduleOf(
        `export const secureContext = () => (${JSON.stringify({ key, cert })})
         export default ({ encrypted, wfile }) => wfile.end(String(encrypted && process.pid))`
      )
    )
    const serving = server.serveForever()
    const pid = Number(await exchangeTLS(server.address, ''))
    expect(server.activeChildren).toContain(pid)
    await server.close()
    await serving
  })

  it('takes the path of a module', async () => {
    const path = fileURLToPath(new URL('../parity/handlers/echo-line.mjs', import.meta.url))
    const server = await forking(path)
    const serving = server.serveForever()
    expect(await exchange(server.address, 'echo\n')).toBe('echo\n')
    await server.close()
    await serving
  })

  it('checks its arguments', async () => {
    expect(() => new ForkingTCPServer({}, undefined as never)).toThrow('ForkingTCPServer takes the URL')
    expect(() => new ForkingUDPServer({}, './relative.js')).toThrow('ForkingUDPServer takes the URL')
    expect(() => new ForkingTCPServer({}, StreamRequestHandler as never)).toThrow(TypeError)
    expect(() => new ForkingTCPServer({ maxChildren: 0 }, tellsPid)).toThrow(RangeError)
    expect(() => new ForkingUDPServer({ spares: '2' as never }, tellsPid)).toThrow(TypeError)
    expect(() => new ForkingUnixStreamServer(undefined as never, tellsPid)).toThrow('UnixStreamServer takes an object')
    expect(() => new ForkingUnixDatagramServer({ path: temporaryPath(), limit: 1 } as never, tellsPid)).toThrow(
      'UnixDatagramServer has no option limit'
    )
    expect(() => new ForkingTCPServer({ port: -1 }, tellsPid)).toThrow(RangeError)
    await new ForkingTCPServer({}, tellsPid).close()
  })
})

describe('a Forking UDP server', () => {
  it('serves datagrams in children', async () => {
    const server = quiet(
      new ForkingUDPServer({}, moduleOf('export default ({ wfile }) => wfile.write(String(process.pid))'))
    )
    await server.listen()
    const serving = server.serveForever()
    const pid = Number(await exchangeDatagram(server.address, ''))
    expect(server.activeChildren).toContain(pid)
    await server.close()
    await serving
    expect(isThere(pid)).toBe(false)
  })
})
