import { describe, expect, it } from 'vitest'
import {
  type DrainEvent,
  drain,
  type EndEvent,
  type ErrorEvent,
  forkPool,
  MessageRequest,
  parallel,
  pipe,
  type Request,
  type StartEvent,
  type StreamRequest,
  sequential,
  threadPool,
  type WorkerEvent
} from '../../lib/index.ts'
import { bounded, visit } from '../support/bounded-servers.ts'
import { Counter } from '../support/counter.ts'
import { overhear } from '../support/events.ts'
import { handlerModule } from '../support/handler-module.ts'
import { printedDuring } from '../support/stderr.ts'
import { turns, until } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

const dead = { deadline: 0 }

describe('the event error', () => {
  it('tells what handleError gets, with the request that it concerns', async () => {
    using errors = overhear<ErrorEvent>('error')
    const server = new Counter()
    const failure = new Error('thrown')
    const serving = drain(
      parallel(() => {
        throw failure
      })(server)
    )
    server.put('row')
    await errors.count(1)
    await server.close()
    await serving
    expect(errors.messages).toEqual([{ server, error: failure, request: expect.any(MessageRequest) }])
    expect(server.errors).toEqual([failure])
  })

  it('tells of a predicate that throws, and of a hook of the close, which concerns no request', async () => {
    using errors = overhear<ErrorEvent>('error')
    const [first, second] = [new Error('verify'), new Error('close')]
    class Picky extends Counter {
      override verifyRequest(): boolean {
        throw first
      }
      protected override serverClose(): void {
        throw second
      }
    }
    const server = new Picky()
    const serving = drain(sequential(() => {})(server))
    server.put('row')
    await errors.count(1)
    await server.close()
    await serving
    expect(errors.messages).toEqual([
      { server, error: first, request: expect.any(MessageRequest) },
      { server, error: second, request: undefined }
    ])
  })

  it('comes though handleError itself throws', async () => {
    using errors = overhear<ErrorEvent>('error')
    const server = new Counter()
    const failure = new Error('thrown')
    server.handleError = () => {
      throw new Error('in the hook')
    }
    const serving = drain(
      parallel(() => {
        throw failure
      })(server)
    )
    const printed = await printedDuring(async () => {
      server.put('row')
      await errors.count(1)
      await server.close()
      await serving
    })
    expect(errors.messages.map(({ error }) => error)).toEqual([failure])
    expect(printed).toMatch(/thrown[\s\S]*in the hook/)
  })
})

describe('the event drain', () => {
  it('tells when a server begins to close, with how many it has, and what became of them', async () => {
    using drains = overhear<DrainEvent>('drain')
    const server = await bounded('TCP, native')
    const serving = server.serveForever(parallel((request: Request) => pipe(request, request)))
    const visitors = [visit(server), visit(server), visit(server)]
    for (const visitor of visitors) visitor.send('!')
    await Promise.all(visitors.map((visitor) => visitor.heard('!')))
    const closing = server.close()
    expect(drains.messages).toEqual([{ server, open: 3 }])
    for (const visitor of visitors) visitor.end()
    const report = await closing
    await serving
    expect(drains.messages).toEqual([
      { server, open: 3 },
      { server, open: 0, report }
    ])
    expect(report).toMatchObject({ finished: 3, aborted: 0 })
    await server.close()
    expect(drains.messages).toHaveLength(2)
  })

  it('tells whom the deadline has cut off', async () => {
    using drains = overhear<DrainEvent>('drain')
    const server = await bounded('TCP, native')
    const requests = server.requests({ closeOnReturn: false })
    visit(server)
    const { value: request } = await requests.next()
    await server.close(dead)
    expect(drains.messages).toMatchObject([
      { server, open: 1 },
      { server, open: 0, report: { aborted: 1, stillOpen: [{ request }] } }
    ])
  })

  it('comes of a server that was never asked to listen, too', async () => {
    using drains = overhear<DrainEvent>('drain')
    const server = new Counter()
    await server.close()
    expect(drains.messages).toEqual([
      { server, open: 0 },
      { server, open: 0, report: { finished: 0, aborted: 0, refused: 0, stillOpen: [] } }
    ])
  })
})

describe('the event worker', () => {
  const handler = handlerModule('export default ({ wfile }) => wfile.write("done")')
  const pools = {
    'a child': () => forkPool(handler, { maxChildren: 1 }),
    'a thread': () => threadPool(handler, { size: 1 })
  }
  it.for(Object.keys(pools) as (keyof typeof pools)[])(
    'tells when %s is started, can serve, and is gone, of which sort',
    async (kind) => {
      using workers = overhear<WorkerEvent>('worker')
      const pool = pools[kind]()
      const server = new Counter()
      const serving = drain(parallel((request: Request) => pool.run(request))(server))
      server.put('row')
      await workers.count(2)
      await server.close()
      await serving
      await pool.close()
      await workers.count(3)
      expect(workers.messages.map(({ state }) => state)).toEqual(['start', 'ready', 'exit'])
      const [first] = workers.messages
      expect(first?.runner !== undefined && 'threadId' in first.runner).toBe(kind === 'a thread')
      for (const { runner } of workers.messages) expect(runner).toBe(first?.runner)
      expect(workers.messages.map(({ reason }) => typeof reason)).toEqual(['undefined', 'undefined', 'string'])
    }
  )

  it('tells how one ended that was killed', async () => {
    using workers = overhear<WorkerEvent>('worker')
    const pool = forkPool(handlerModule('export default () => process.kill(process.pid, "SIGKILL")'), {
      maxChildren: 1
    })
    const server = new Counter()
    const outcomes: unknown[] = []
    const serving = (async () => {
      for await (const outcome of parallel((request: Request) => pool.run(request))(server)) outcomes.push(outcome)
    })()
    server.put('row')
    await until(() => outcomes.length === 1)
    await server.close()
    await serving
    await pool.close()
    const exit = workers.messages.find(({ state }) => state === 'exit')
    expect(exit?.reason).toContain('SIGKILL')
    expect(outcomes).toMatchObject([{ status: 'aborted', reason: { cause: 'worker-gone' } }])
  })
})

describe('the events start and end', () => {
  it('come in this order, with the bytes, the milliseconds and how it went', async () => {
    using started = overhear<StartEvent>('start')
    using ended = overhear<EndEvent>('end')
    const server = await bounded('TCP, native')
    void server.serveForever(
      parallel(async (request: StreamRequest) => {
        expect(ended.messages).toEqual([])
        await request.wfile.write(await request.rfile.readAll())
        return 'value'
      })
    )
    const visitor = visit(server)
    visitor.send('hello')
    visitor.end()
    await visitor.heard('hello')
    await ended.count(1)
    const { request } = started.messages[0] as StartEvent
    expect(started.messages).toEqual([{ server, request }])
    expect(ended.messages).toEqual([
      { server, outcome: { request, status: 'fulfilled', value: 'value', elapsed: expect.any(Number) } }
    ])
    expect([request.bytesIn, request.bytesOut]).toEqual([5, 5])
  })

  it('of a bare loop end when the request has gone, also where its peer or the deadline has ended it', async () => {
    using ended = overhear<EndEvent>('end')
    const server = await bounded('TCP, native')
    const requests = server.requests({ closeOnReturn: false })
    const first = visit(server)
    const { value: closed } = (await requests.next()) as { value: StreamRequest }
    await turns()
    expect(ended.messages).toEqual([])
    first.end()
    await closed.close()
    await ended.count(1)
    const second = visit(server)
    const { value: reset } = (await requests.next()) as { value: StreamRequest }
    const reading = expect(reset.rfile.readLine()).rejects.toMatchObject({ cause: 'peer-gone' })
    second.reset()
    await reading
    await ended.count(2)
    visit(server)
    await requests.next()
    await server.close(dead)
    expect(ended.messages.map(({ outcome }) => outcome)).toMatchObject([
      { request: closed, status: 'fulfilled' },
      { request: reset, status: 'aborted', reason: { cause: 'peer-gone' } },
      { status: 'aborted', reason: { cause: 'deadline' } }
    ])
  })
})
