import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { BaseServer, ClosedError, type StreamRequest } from '../../lib/index.ts'
import { ConnectionWatch } from '../../lib/server/connection-watch.ts'
import { MemoryServer } from '../../lib/testing/entry.ts'
import { settled } from '../support/events.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

async function inside(server: MemoryServer): Promise<StreamRequest> {
  server.connect()
  const { value } = await server.requests({ closeOnReturn: false }).next()
  return value as StreamRequest
}

const closed = new ClosedError('Cannot wait for connections: the server has closed')

describe('waitForConnections', () => {
  it('returns at once where the condition is met: also before listen(), and after the close', async () => {
    const server = new MemoryServer()
    expect(await server.waitForConnections((open) => open === 0)).toBe(0)
    await server.listen()
    expect(await server.waitForConnections((open) => open < 5)).toBe(0)
    await server.close()
    expect(await server.waitForConnections((open) => open === 0)).toBe(0)
  })

  it('returns when as many have come, and when as many have gone, with their number', async () => {
    const server = await new MemoryServer().listen()
    const two = server.waitForConnections((open) => open >= 2)
    const first = await inside(server)
    expect(await settled(two)).toBe(false)
    const second = await inside(server)
    expect(await two).toBe(2)
    const none = server.waitForConnections((open) => open === 0)
    first.abort()
    expect(await settled(none)).toBe(false)
    second.abort()
    expect(await none).toBe(0)
    await server.close()
  })

  it('serves many who wait, each by its own condition', async () => {
    const server = await new MemoryServer().listen()
    const waits = [1, 2, 3, 2, 1].map((many) => server.waitForConnections((open) => open === many))
    const requests: StreamRequest[] = []
    for (let i = 0; i < 3; i++) requests.push(await inside(server))
    expect(await Promise.all(waits)).toEqual([1, 2, 3, 2, 1])
    for (const request of requests) request.abort()
    await server.close()
  })

  it('fails where the server closes and it was not met', async () => {
    const server = await new MemoryServer().listen()
    const waits = [1, 2].map((many) => server.waitForConnections((open) => open === many))
    await server.close()
    for (const wait of waits) await expect(wait).rejects.toThrow(closed)
    await expect(server.waitForConnections((open) => open === 1)).rejects.toThrow(closed)
  })

  it('returns where the close itself brings it about: at the deadline, and before', async () => {
    for (const cut of [true, false]) {
      const server = await new MemoryServer().listen()
      const request = await inside(server)
      const wait = server.waitForConnections((open) => open === 0)
      const closing = server.close({ deadline: cut ? 0 : Number.POSITIVE_INFINITY })
      if (!cut) request.abort()
      expect(await wait).toBe(0)
      expect((await closing).aborted).toBe(cut ? 1 : 0)
    }
  })

  it('fails with what the condition throws: at once, and later; and asks it no more', async () => {
    const server = await new MemoryServer().listen()
    const broken = new Error('no')
    const condition = (): never => {
      throw broken
    }
    await expect(server.waitForConnections(condition)).rejects.toBe(broken)
    let asked = 0
    const later = server.waitForConnections((open) => {
      asked++
      if (open > 0) throw broken
      return false
    })
    const request = await inside(server)
    await expect(later).rejects.toBe(broken)
    request.abort()
    await server.close()
    expect(asked).toBe(2)
  })

  it('asks no more once it was met', async () => {
    const server = await new MemoryServer().listen()
    const seen: number[] = []
    const one = server.waitForConnections((open) => {
      seen.push(open)
      return open === 1
    })
    const requests = [await inside(server), await inside(server)]
    expect(await one).toBe(1)
    expect(seen).toEqual([0, 1])
    for (const request of requests) request.abort()
    await server.close()
  })

  it('ends with the reason of a signal: that had aborted, and that aborts; and leaves no listener', async () => {
    const server = await new MemoryServer().listen()
    const reason = new Error('enough')
    const never = (): boolean => false
    await expect(server.waitForConnections(never, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const controller = new AbortController()
    const { signal } = controller
    const met = server.waitForConnections((open) => open === 1, { signal })
    const waits = [server.waitForConnections(never, { signal }), server.waitForConnections(never, { signal })]
    expect(getEventListeners(signal, 'abort')).toHaveLength(3)
    const request = await inside(server)
    expect(await met).toBe(1)
    expect(getEventListeners(signal, 'abort')).toHaveLength(2)
    controller.abort(reason)
    for (const wait of waits) await expect(wait).rejects.toBe(reason)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    const other = new AbortController()
    const last = server.waitForConnections(never, { signal: other.signal })
    request.abort()
    await server.close()
    await expect(last).rejects.toThrow(closed)
    expect(getEventListeners(other.signal, 'abort')).toHaveLength(0)
  })

  it('may close the server in its condition: then the report is right', async () => {
    const server = await new MemoryServer().listen()
    const gone = server.waitForConnections((open) => {
      if (open === 1) void server.close()
      return open === 0 && server.stopping.aborted
    })
    const request = await inside(server)
    request.abort()
    expect(await gone).toBe(0)
    expect(await server.closed).toMatchObject({ finished: 1, aborted: 0 })
  })

  it('takes a function, and a signal', async () => {
    const server = new BaseServer()
    await expect(server.waitForConnections(3 as never)).rejects.toThrow(
      new TypeError('waitForConnections takes a function of a number: got 3')
    )
    await expect(server.waitForConnections(() => true, { signal: {} as never })).rejects.toThrow(
      /Option signal must be an AbortSignal/
    )
    await expect(server.waitForConnections(() => true, { timeout: 1 } as object)).rejects.toThrow(
      /has no option timeout/
    )
    await server.close()
  })
})

describe('those who wait for connections', () => {
  it('leave nothing behind: neither who was served nor who gave up', async () => {
    let open = 0
    const watch = new ConnectionWatch(() => open)
    const controller = new AbortController()
    const waits = [
      watch.until((now) => now === 1, undefined),
      watch.until((now) => now === 2, controller.signal),
      watch.until((now) => now === 3, undefined)
    ]
    expect(watch.size).toBe(3)
    open = 1
    watch.changed()
    expect(watch.size).toBe(2)
    controller.abort()
    expect(watch.size).toBe(1)
    watch.end(closed)
    expect(watch.size).toBe(0)
    expect(await Promise.allSettled(waits)).toMatchObject([
      { value: 1 },
      { reason: controller.signal.reason },
      { reason: closed }
    ])
  })
})
