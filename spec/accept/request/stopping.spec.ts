import { getEventListeners } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { Stopping } from '../../../lib/accept/request/stopping.ts'
import { BaseServer, MessageRequest } from '../../../lib/index.ts'

const requestOf = (server: BaseServer): MessageRequest => new MessageRequest({ server, packet: 'row' })
const listenersOf = (server: BaseServer): number => getEventListeners(server.stopping, 'abort').length

describe('stopping of requests', () => {
  it('aborts with that of the server, in each, and with its reason', async () => {
    const server = new BaseServer()
    const requests = [requestOf(server), requestOf(server), requestOf(server)]
    const told: number[] = []
    for (const [i, { stopping }] of requests.entries()) {
      expect(stopping.aborted).toBe(false)
      stopping.addEventListener('abort', () => told.push(i))
    }
    const closing = server.close()
    expect(told).toEqual([0, 1, 2])
    for (const { stopping } of requests)
      expect([stopping.aborted, stopping.reason]).toEqual([true, server.stopping.reason])
    await closing
  })

  it('is one signal a request, whenever it is asked for', async () => {
    const server = new BaseServer()
    const request = requestOf(server)
    const { stopping } = request
    expect(request.stopping).toBe(stopping)
    await server.close()
    expect(request.stopping).toBe(stopping)
  })

  it('has aborted where it is first asked for after the close began', async () => {
    const server = new BaseServer()
    const before = requestOf(server)
    await server.close()
    expect(before.stopping.aborted).toBe(true)
    expect(requestOf(server).stopping.aborted).toBe(true)
  })

  it('is told no more once its request has gone, whether it was asked for before or after', async () => {
    const server = new BaseServer()
    const requests = [requestOf(server), requestOf(server)]
    const { stopping: early } = requests[0] as MessageRequest
    for (const request of requests) await request.close()
    const { stopping: late } = requests[1] as MessageRequest
    await server.close()
    expect([early.aborted, late.aborted]).toEqual([false, false])
  })

  it('goes on to the others where a listener closes its request, or asks for another', async () => {
    const server = new BaseServer()
    const requests = [requestOf(server), requestOf(server), requestOf(server)]
    let another: AbortSignal | undefined
    for (const request of requests) {
      request.stopping.addEventListener('abort', () => {
        void request.close()
        another = requestOf(server).stopping
      })
    }
    await server.close()
    for (const { stopping } of requests) expect(stopping.aborted).toBe(true)
    expect(another?.aborted).toBe(true)
  })

  it('costs the server one listener, however many ask, and each leaves without a look at the others', async () => {
    const server = new BaseServer()
    const adding = vi.spyOn(server.stopping, 'addEventListener')
    const removing = vi.spyOn(server.stopping, 'removeEventListener')
    const removed = vi.spyOn(Set.prototype, 'delete')
    const requests = Array.from({ length: 10_000 }, () => requestOf(server))
    for (const request of requests) void request.stopping
    expect([listenersOf(server), adding.mock.calls.length]).toEqual([1, 1])
    const before = removed.mock.calls.length
    for (const request of requests) await request.close()
    expect(removed.mock.calls.length - before).toBe(10_000)
    expect([listenersOf(server), removing.mock.calls.length]).toEqual([1, 0])
    // Those who have gone are kept by nobody.
    const [all] = removed.mock.contexts as Set<unknown>[]
    expect(all?.size).toBe(0)
    removed.mockRestore()
    await server.close()
    expect(listenersOf(server)).toBe(0)
  })

  it('keeps nobody once all have been told', async () => {
    const server = new BaseServer()
    const cleared = vi.spyOn(Set.prototype, 'clear')
    const request = requestOf(server)
    void request.stopping
    const closing = server.close()
    const [all] = cleared.mock.contexts as Set<unknown>[]
    expect(all?.size).toBe(0)
    cleared.mockRestore()
    await Promise.all([request.close(), closing])
  })

  it('is of its own server, where several stop at other times', async () => {
    const [one, other] = [new BaseServer(), new BaseServer()]
    const [mine, theirs] = [new Stopping(one), new Stopping(other)]
    await one.close()
    expect([mine.signal.aborted, theirs.signal.aborted]).toEqual([true, false])
    theirs.end()
    await other.close()
    expect(theirs.signal.aborted).toBe(false)
  })
})
