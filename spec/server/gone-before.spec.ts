import { describe, expect, it } from 'vitest'
import {
  AbortedError,
  BaseServer,
  type EndEvent,
  MessageRequest,
  parallel,
  type StartEvent,
  type StreamRequest,
  verify
} from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { overhear } from '../support/events.ts'
import { dial } from '../support/peers.ts'
import { tcp } from '../support/servers.ts'
import { turns } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

/** A server whose one request has gone before anybody gets it. */
class Late extends BaseServer<MessageRequest> {
  #row: MessageRequest | undefined = new MessageRequest({ server: this, packet: 'row' })

  override getRequest(): MessageRequest | undefined {
    const row = this.#row
    this.#row = undefined
    row?.abort(new AbortedError('gone', 'peer-gone'))
    return row
  }

  override handleError(): void {}
}

describe('a request that had gone before anybody got it', () => {
  it('has a start and an end in a bare loop', async () => {
    using starts = overhear<StartEvent>('start')
    using ends = overhear<EndEvent>('end')
    const server = new Late()
    for await (const request of server) {
      expect(ends.messages).toMatchObject([{ server, outcome: { request, status: 'aborted' } }])
      await request.close()
    }
    expect([starts.messages.length, ends.messages.length]).toEqual([1, 1])
    expect(await server.close()).toMatchObject({ aborted: 0 })
  })

  it('has them in a mode too, and counts as failed, once', async () => {
    using starts = overhear<StartEvent>('start')
    using ends = overhear<EndEvent>('end')
    const server = new Late()
    let handled = 0
    const report = await server.serveForever(parallel(() => void handled++))
    expect([starts.messages.length, ends.messages.length, handled]).toEqual([1, 1, 0])
    expect(server.stats()).toMatchObject({ accepted: 1, served: 0, failed: 1, open: 0 })
    expect(report.aborted).toBe(0)
  })
})

describe('a request that is cut off before its handler begins', () => {
  it('is counted, and costs no handler that nobody would wait for', async () => {
    const server = await tcp()
    const checked = deferred<StreamRequest>()
    const verdict = deferred<boolean>()
    let handled = 0
    const outcomes: unknown[] = []
    const serving = (async () => {
      const slow = verify((request: StreamRequest) => {
        checked.resolve(request)
        return verdict.promise
      })
      const stage = parallel((_: StreamRequest) => {
        handled++
        return new Promise<void>(() => {})
      })
      for await (const outcome of stage(slow(server))) outcomes.push(outcome)
    })()
    const client = await dial(server.address)
    const request = await checked.promise
    request.abort(new AbortedError('gone', 'peer-gone'))
    verdict.resolve(true)
    await server.waitForConnections((open) => open === 0)
    const report = await server.close({ deadline: Number.POSITIVE_INFINITY })
    await serving
    expect(report.aborted).toBe(0)
    expect(outcomes).toMatchObject([{ request, status: 'aborted', reason: request.abortReason }])
    expect([handled, server.stats().failed]).toEqual([0, 1])
    client.destroy()
  })

  it('at the deadline is in the report, and counted no more', async () => {
    using ends = overhear<EndEvent>('end')
    const server = await tcp()
    const checked = deferred<StreamRequest>()
    const verdict = deferred<boolean>()
    let handled = 0
    const stage = parallel((_: StreamRequest) => void handled++)
    const slow = verify((request: StreamRequest) => {
      checked.resolve(request)
      return verdict.promise
    })
    const serving = server.serveForever((source) => stage(slow(source)))
    const client = await dial(server.address)
    const request = await checked.promise
    const report = await server.close({ deadline: 0 })
    expect(report.stillOpen).toMatchObject([{ request }])
    verdict.resolve(true)
    expect(await serving).toBe(report)
    await turns(3)
    expect([handled, server.stats().served, server.stats().failed]).toEqual([0, 0, 0])
    expect(ends.messages).toHaveLength(1)
    client.destroy()
  })
})
