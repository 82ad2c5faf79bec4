import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  drain,
  type ForkOptions,
  forked,
  framed,
  lines,
  parallel,
  type Request,
  type Stage,
  type StreamRequest,
  sequential,
  threads
} from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { type AnyServer, type Kind, type Subject, subjects } from '../property/life-subjects.ts'
import { handlerModule } from '../support/handler-module.ts'
import { turns, until } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

const bounds = { maxConnections: 100, maxPending: 100 }
const stuck = handlerModule('export default () => new Promise(() => {})')

/** A server that listens, one client, and what is noted. */
async function called(kind: Kind): Promise<Subject & { readonly errors: unknown[]; call(): void }> {
  const subject = subjects[kind](bounds)
  const errors: unknown[] = []
  subject.server.handleError = (error: unknown) => void errors.push(error)
  onTestFinished(async () => {
    await subject.server.close({ deadline: 0 })
    subject.end()
  })
  await subject.server.listen()
  return { ...subject, errors, call: () => void subject.visit('a line\n') }
}

/** What the report of a close at a deadline must say, and what the one who was cut off must know. */
async function checkCut(server: AnyServer, request?: Request): Promise<Request> {
  const report = await server.close({ deadline: 5 })
  expect(report).toMatchObject({ aborted: 1, finished: 0 })
  expect(report.stillOpen).toHaveLength(1)
  const [left] = report.stillOpen
  if (request !== undefined) expect(left?.request).toBe(request)
  expect(left?.age).toBeGreaterThan(0)
  expect(left?.clientAddress).toEqual(left?.request.clientAddress)
  expect(left?.request.signal.reason).toMatchObject({ name: 'AbortedError', cause: 'deadline' })
  expect(server.stats()).toMatchObject({ open: 0, waiting: 0 })
  return left?.request as Request
}

const modes: Record<string, (handler: (request: Request) => unknown) => Stage<Request, unknown>> = {
  sequential: (handler) => sequential(handler),
  parallel: (handler) => parallel(handler, { limit: 2 }),
  keyed: (handler) => parallel(handler, { limit: 2, key: () => 'one key' })
}

describe.for(Object.keys(subjects) as Kind[])('a handler that heeds nothing is cut off at the deadline: %s', (kind) => {
  it.for(Object.keys(modes))('%s', async (name) => {
    const { server, call, errors } = await called(kind)
    const gate = deferred<void>()
    const got = deferred<Request>()
    const stage = modes[name]?.((request) => {
      got.resolve(request)
      return gate.promise
    }) as Stage<Request, unknown>
    const serving = server.serveForever(stage)
    call()
    await checkCut(server, await got.promise)
    expect(server.stats()).toMatchObject({ served: 0, failed: 1 })
    // Nobody waits for it; it comes to its end some day, and nothing is counted twice.
    await serving
    gate.resolve()
    await until(() => errors.length > 0)
    expect(server.stats()).toMatchObject({ served: 0, failed: 1 })
    expect(errors).toMatchObject([{ cause: 'deadline' }])
  })

  it('a bare loop', async () => {
    const { server, call } = await called(kind)
    const gate = deferred<void>()
    const got = deferred<Request>()
    const loop = (async () => {
      for await (const request of server) {
        got.resolve(request)
        await gate.promise
      }
    })()
    call()
    await checkCut(server, await got.promise)
    expect(server.stats()).toMatchObject({ served: 0, failed: 0 })
    gate.resolve()
    await loop
  })

  it('handleRequest()', async () => {
    const { server, call } = await called(kind)
    const gate = deferred<void>()
    const got = deferred<Request>()
    const handled = server.handleRequest((request) => {
      got.resolve(request)
      return gate.promise
    })
    call()
    await checkCut(server, await got.promise)
    gate.resolve()
    expect(await handled).toMatchObject({ status: 'aborted', reason: { cause: 'deadline' } })
  })

  it('processRequest(), which does not end', async () => {
    const { server, call } = await called(kind)
    const gate = deferred<void>()
    const got = deferred<Request>()
    server.processRequest = (request) => {
      got.resolve(request)
      return gate.promise
    }
    const serving = server.serveForever(parallel(() => {}))
    call()
    await checkCut(server, await got.promise)
    gate.resolve()
    await serving
  })

  it('verifyRequest(), which gives no verdict', async () => {
    const { server, call } = await called(kind)
    const verdict = deferred<boolean>()
    const got = deferred<Request>()
    server.verifyRequest = (request) => {
      got.resolve(request)
      return verdict.promise
    }
    let handled = 0
    const serving = server.serveForever(parallel(() => void handled++))
    call()
    await checkCut(server, await got.promise)
    verdict.resolve(true)
    await serving
    await turns(3)
    expect(handled).toBe(0)
  })
})

const connections: readonly Kind[] = [
  'TCP, native',
  "TCP, Node's",
  'TLS, native',
  'Unix, native',
  'connections in memory'
]

describe.for(connections)('a handler of frames that heeds nothing is cut off at the deadline: %s', (kind) => {
  it('framed', async () => {
    const { server, call } = await called(kind)
    const gate = deferred<void>()
    const got = deferred<Request>()
    const frames = framed(lines())
    const stage = parallel((request: Request) => {
      got.resolve(request)
      return gate.promise
    })
    const source = server as unknown as AsyncIterable<StreamRequest>
    const serving = drain(stage(frames(source)))
    call()
    const frame = await got.promise
    const report = await server.close({ deadline: 5 })
    expect(report.aborted).toBe(1)
    expect(report.stillOpen[0]?.clientAddress).toEqual(frame.clientAddress)
    // It is told when its connection has gone.
    if (!frame.signal.aborted) await once(frame.signal, 'abort')
    expect(frame.signal.reason).toMatchObject({ cause: 'deadline' })
    gate.resolve()
    await serving
  })
})

const kindsOfPools: readonly Kind[] = [
  'TCP, native',
  "TCP, Node's",
  'TLS, native',
  'Unix, native',
  'UDP, native',
  'rows'
]
const pools: Record<string, () => Stage<Request, unknown>> = {
  threads: () => threads(stuck, { size: 1 }) as Stage<Request, unknown>,
  forked: () => forked(stuck, { maxChildren: 1 } satisfies ForkOptions) as Stage<Request, unknown>
}

describe.for(Object.keys(pools))('a handler in a worker that heeds nothing is cut off at the deadline: %s', (name) => {
  it.for(kindsOfPools)('%s', async (kind) => {
    const { server, call } = await called(kind)
    const stage = pools[name]?.() as Stage<Request, unknown>
    const serving = server.serveForever(stage)
    call()
    await server.waitForConnections((open) => open === 1)
    await checkCut(server)
    await serving
    expect(server.stats()).toMatchObject({ served: 0, failed: 1 })
  })
})
