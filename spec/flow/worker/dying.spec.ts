import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { hasChannels } from '../../../lib/accept/native/descriptor-channel.ts'
import {
  AbortedError,
  type ForkOptions,
  forked,
  forkPool,
  type Outcome,
  parallel,
  type StreamRequest,
  type TCPServer,
  TLSServer
} from '../../../lib/index.ts'
import { deferred } from '../../../lib/iterator/deferred.ts'
import { tcpPair } from '../../bytes/tcp-pair.ts'
import { runChild } from '../../support/child.ts'
import { handlerModule } from '../../support/handler-module.ts'
import { startChild } from '../../support/live-child.ts'
import { certificates, dial, exchange, exchangeTLS, received } from '../../support/peers.ts'
import { descriptorsOf, isAlive, poolChildren } from '../../support/pool-children.ts'
import { QuietTCPServer } from '../../support/quiet.ts'
import { microtasks } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

const ends = new URL('ends.mjs', import.meta.url)
const detaching = new URL('detaching.mjs', import.meta.url)
const backends = ['native', 'node'] as const

type Backend = (typeof backends)[number]

interface Running {
  readonly server: TCPServer
  readonly outcomes: Outcome<StreamRequest>[]
  readonly serving: Promise<void>
}

async function serveForked(backend: Backend, options: ForkOptions, handler = ends): Promise<Running> {
  const server = await new QuietTCPServer({ host: '127.0.0.1', port: 0, backend }).listen()
  const outcomes: Outcome<StreamRequest>[] = []
  const serving = (async () => {
    for await (const outcome of forked<StreamRequest>(handler, options)(server)) outcomes.push(outcome)
  })()
  return { server, outcomes, serving }
}

/** A client that has said its word, and the first that it is told. */
async function visit({ address }: TCPServer, word: string): Promise<{ socket: Socket; told: string }> {
  const socket = await dial(address)
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  socket.write(`${word}\n`)
  const [told] = (await once(socket, 'data')) as [Buffer]
  return { socket, told: told.toString().trim() }
}

describe.for(backends)('a child that serves connections (%s)', (backend) => {
  // Where the channel is ours nobody can close it by a call of Node's.
  it.for(hasChannels() ? ['exit'] : ['disconnect', 'exit'])(
    'and goes by %s takes its own with it, and no others',
    async (way) => {
      const { server, outcomes, serving } = await serveForked(backend, { maxChildren: 1 })
      const { socket, told } = await visit(server, way)
      expect(told).toBe('about to')
      await received(socket).catch(() => {})
      expect(await exchange(server.address, 'pid\n')).toMatch(/^\d+\n$/)
      await server.close()
      await serving
      expect(outcomes.map(({ status }) => status)).toEqual(['aborted', 'fulfilled'])
      const [gone, next] = outcomes
      const reason = gone?.status === 'fulfilled' ? undefined : (gone?.reason as AbortedError)
      expect(reason).toBeInstanceOf(AbortedError)
      expect(reason?.cause).toBe('worker-gone')
      // Who had it is told of those that went wrong, too.
      expect(gone?.request.ranBy?.pid).toBeGreaterThan(0)
      expect(gone?.request.ranBy?.pid).not.toBe(next?.request.ranBy?.pid)
    }
  )

  it('gives back a connection that was on its way when it died', async () => {
    const server = await new QuietTCPServer({ host: '127.0.0.1', port: 0, backend }).listen()
    const pool = forkPool(ends, { maxChildren: 1, maxRequestsPerChildInFlight: 2 })
    const held = deferred<StreamRequest>()
    const over = deferred<unknown>()
    let came = 0
    const serving = (async () => {
      const handler = (request: StreamRequest): Promise<unknown> => {
        if (++came === 1) return pool.run(request)
        held.resolve(request)
        return over.promise
      }
      for await (const _ of parallel(handler)(server));
    })()
    const { socket, told: pid } = await visit(server, 'stay')
    const other = exchange(server.address, 'pid\n')
    const request = await held.promise
    await using poke = await tcpPair()
    const poker = poke.request.detach()
    const bystander = spawn('true')
    // Not a turn of the loop while it runs.
    const during = (script: string): void => void execFileSync('sh', ['-c', script])
    const untilDead = (who: unknown): string => `while ! grep -q ') Z ' /proc/${who}/stat; do sleep 0.01; done`
    // In one round of events: a byte, at which it dies, and the death of somebody else, at which Node looks for all who have
    // died. Of the end of its channel it has not heard by then, and it has acknowledged nothing.
    const dead = deferred<void>()
    poke.client.once('data', () => {
      during(`kill -KILL ${pid}; ${untilDead(pid)}`)
      dead.resolve()
    })
    during(`kill -STOP ${pid}; ${untilDead(bystander.pid)}`)
    over.resolve(pool.run(request))
    await microtasks(20)
    poker.write('x')
    await dead.promise
    expect(await other).toMatch(/^\d+\n$/)
    expect(await other).not.toBe(`${pid}\n`)
    await received(socket).catch(() => {})
    await server.close()
    await serving
    await pool.close()
  })

  it('goes when a handler that was cut off has returned', async () => {
    await using server = await new QuietTCPServer({ host: '127.0.0.1', port: 0, backend }).listen()
    const pool = forkPool(ends, { maxChildren: 1 })
    const serving = (async () => {
      for await (const _ of parallel((request: StreamRequest) => pool.run(request))(server));
    })()
    const { socket, told } = await visit(server, 'stubborn')
    expect(told).toBe('begun')
    await server.close({ deadline: 0 })
    await serving
    socket.destroy()
    // For ever, where it does not go by itself.
    await pool.close({ deadline: Number.POSITIVE_INFINITY })
    expect(pool.activeChildren.size).toBe(0)
  })

  it('is replaced where it has nothing to do, and no room for a connection all the same', async () => {
    const { server, outcomes, serving } = await serveForked(backend, { maxChildren: 1 })
    const { socket, told } = await visit(server, 'hoard')
    socket.end()
    await vi.waitFor(() => expect(outcomes).toHaveLength(1))
    await vi.waitFor(() => expect(descriptorsOf(Number(told))).toBeGreaterThanOrEqual(60))
    expect(await exchange(server.address, 'pid\n')).not.toBe(`${told}\n`)
    await server.close()
    await serving
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
  })

  it.runIf(hasChannels())('is ended where it says what nobody can read, and takes nobody along', async () => {
    const { server, outcomes, serving } = await serveForked(backend, { maxChildren: 1 })
    expect(await exchange(server.address, 'scribble\n')).toBe('')
    expect(await exchange(server.address, 'pid\n')).toMatch(/^\d+\n$/)
    await server.close()
    await serving
    expect(outcomes.map(({ status }) => status)).toEqual(['aborted', 'fulfilled'])
    expect(outcomes[0]).toMatchObject({ reason: { cause: 'worker-gone' } })
  })

  it('serves a socket that its handler has detached until that has closed', async () => {
    const { server, outcomes, serving } = await serveForked(
      backend,
      { maxChildren: 2, requestsPerChild: 1, spares: 0 },
      detaching
    )
    const socket = await dial(server.address)
    socket.write('one')
    expect(String(await once(socket, 'data'))).toBe('one')
    // By the time that another one was served its own child would have gone.
    expect(await exchange(server.address, 'two')).toBe('two')
    await vi.waitFor(() => expect(outcomes).toHaveLength(1))
    socket.end('three')
    expect(String(await received(socket))).toBe('three')
    await server.close()
    await serving
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
    expect(outcomes.map((outcome) => isAlive((outcome as { value: number }).value))).toEqual([false, false])
  })

  it('lets go of a socket that its handler has detached at the deadline', async () => {
    const { server, outcomes, serving } = await serveForked(backend, { maxChildren: 1 }, detaching)
    const socket = await dial(server.address)
    socket.on('error', () => {})
    socket.write('one')
    expect(String(await once(socket, 'data'))).toBe('one')
    const { aborted } = await server.close({ deadline: 0 })
    expect(aborted).toBe(1)
    await received(socket).catch(() => {})
    await serving
    expect(outcomes.map(({ status }) => status)).toEqual(['aborted'])
  })
})

const parent = (backend: Backend, options: string): string => `
  if (process.send !== undefined) process.exit(1)
  const server = await new lib.TCPServer({ host: '127.0.0.1', port: 0, backend: '${backend}' }).listen()
  const stop = () => server.close()
  process.on('SIGTERM', stop).on('SIGINT', stop)
  console.log(server.address.port)
  const counts = {}
  const mode = lib.forked(new URL(${JSON.stringify(ends.href)}), ${options})
  for await (const { status } of mode(server)) counts[status] = (counts[status] ?? 0) + 1
  console.log(JSON.stringify(counts))
`

function at(port: string): TCPServer {
  return { address: { family: 'IPv4', host: '127.0.0.1', port: Number(port) } } as TCPServer
}

describe.for(backends)('a pool of children (%s)', (backend) => {
  it('dies with its process, however busy its children are', async () => {
    const child = startChild(parent(backend, '{ maxChildren: 5, spares: 2 }'))
    const server = at(await child.line())
    const pids: number[] = []
    for (const way of ['stay', 'stuck', 'listening']) pids.push(Number((await visit(server, way)).told))
    // Those that stand by, and those that are about to, included.
    const all = poolChildren(child.pid)
    expect(all).toEqual(expect.arrayContaining(pids))
    await child.kill()
    await vi.waitFor(() => expect(all.filter(isAlive)).toEqual([]), { timeout: 2_000, interval: 20 })
  })

  it.for(['SIGTERM', 'SIGINT'] as const)('serves those who are in it when all its processes get %s', async (signal) => {
    const child = startChild(parent(backend, '{ maxChildren: 2, spares: 1 }'), { leadsGroup: true })
    const server = at(await child.line())
    const inside = [await visit(server, 'stay'), await visit(server, 'stay')]
    // Waits for a child, or in the kernel.
    const waits = await dial(server.address)
    waits.end('pid\n')
    process.kill(-child.pid, signal)
    for (const { socket } of inside) socket.end('and so on')
    expect(String(await received(waits))).toMatch(/^\d+\n$/)
    for (const { socket } of inside) expect(await received(socket)).toHaveLength(0)
    expect(JSON.parse(await child.line())).toEqual({ fulfilled: 3 })
    expect(await child.ended()).toBe(0)
  })
})

it('has its request aborted where a child dies when the connection had ended already', async () => {
  // Decrypted here, and passed byte by byte: the connection is not the child's.
  const server = await new TLSServer({ host: '127.0.0.1', port: 0, ...certificates() }).listen()
  server.handleError = () => {}
  const pool = forkPool(ends, { maxChildren: 1 })
  const ended = deferred<void>()
  const serving = (async () => {
    const handler = (request: StreamRequest): Promise<unknown> => {
      request.whenClosed(() => ended.resolve())
      return pool.run(request)
    }
    const outcomes: Outcome<StreamRequest>[] = []
    for await (const outcome of parallel(handler)(server)) outcomes.push(outcome)
    return outcomes
  })()
  const pid = Number(await exchangeTLS(server.address, 'answered\n'))
  await ended.promise
  process.kill(pid, 'SIGKILL')
  await server.close()
  await pool.close()
  expect(await serving).toMatchObject([{ status: 'aborted', reason: { cause: 'worker-gone' }, ranBy: { pid } }])
})

it('holds the process while a request waits for a child that has room for it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'it-socketserver-hoard-'))
  // The first child keeps all its descriptors, till it is replaced.
  const hoarding = handlerModule(`
    import { execFileSync } from 'node:child_process'
    import { mkdirSync, openSync } from 'node:fs'
    let isFirst = true
    try { mkdirSync('${folder}/first') } catch { isFirst = false }
    if (isFirst) {
      execFileSync('prlimit', ['--nofile=64', '--pid', String(process.pid)])
      try { for (;;) openSync('/dev/null') } catch {}
    }
    export default (request) => request.wfile.end('served')
  `)
  // Its client is a process of its own, that holds nobody.
  const { code, stdout, stderr } = await runChild(`
    import { spawn } from 'node:child_process'
    const server = await new lib.TCPServer({ host: '127.0.0.1', port: 0 }).listen()
    const pool = lib.forkPool(${JSON.stringify(hoarding.href)}, { maxChildren: 1 })
    const client = "require('net').connect(" + server.address.port + ", '127.0.0.1').pipe(process.stdout)"
    spawn(process.execPath, ['--eval', client], { stdio: ['ignore', 'inherit', 'inherit'] }).unref()
    for await (const request of server) {
      void pool.run(request)
      break
    }
  `)
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'served', stderr: '' })
})
