import { once } from 'node:events'
import { connect } from 'node:net'
import { PassThrough } from 'node:stream'
import { connect as connectTLS } from 'node:tls'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { destroyWedged } from '../../../lib/accept/stream/wedged.ts'
import { drain, parallel, pipe, type Request } from '../../../lib/index.ts'
import { tls } from '../../support/servers.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

describe.each(['native', 'node'] as const)('TLS clients that reset as soon as they are secured, by %s', (backend) => {
  it('are given up, though Node writes to them for ever', async () => {
    const server = await tls({ backend })
    const serving = drain(parallel((request: Request) => pipe(request, request))(server))
    const { host, port } = server.address
    for (let i = 0; i < 60; i++) {
      const tcp = connect(port, host).on('error', () => {})
      const secure = connectTLS({ socket: tcp, rejectUnauthorized: false }).on('error', () => {})
      await once(secure, 'secureConnect')
      secure.write('hello')
      // Some resets come together with what is before them, and some later.
      if (i % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
      const closed = once(tcp, 'close')
      tcp.resetAndDestroy()
      await closed
      setImmediate(() => secure.destroy())
    }
    const { finished, aborted } = await server.close({ deadline: Number.POSITIVE_INFINITY })
    expect(aborted).toBe(0)
    expect(finished).toBeLessThanOrEqual(60)
    await serving
  })
})

describe('an encrypted socket whose peer has ended', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  function socketWith(below: { writeQueueSize: number }, state: { writableLength: number; bytesWritten: number }) {
    const socket = new PassThrough().on('error', () => {})
    const getters = {
      _parent: { value: { _handle: below } },
      writableLength: { get: () => state.writableLength },
      bytesWritten: { get: () => state.bytesWritten }
    }
    return Object.defineProperties(socket, getters) as never as Parameters<typeof destroyWedged>[0]
  }

  it('is destroyed where it has something to write and nothing is under way', async () => {
    vi.useFakeTimers()
    const socket = socketWith({ writeQueueSize: 0 }, { writableLength: 5, bytesWritten: 5 })
    const failed = once(socket, 'error')
    destroyWedged(socket)
    await vi.advanceTimersByTimeAsync(999)
    expect(socket.destroyed).toBe(false)
    await vi.advanceTimersByTimeAsync(1_500)
    expect(socket.destroyed).toBe(true)
    expect(await failed).toMatchObject([{ code: 'ECONNRESET' }])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is left alone where its peer only does not read, where it writes on, and where it has written all', async () => {
    vi.useFakeTimers()
    const goesOn = { writableLength: 5, bytesWritten: 5 }
    const sockets = [
      socketWith({ writeQueueSize: 5 }, { writableLength: 5, bytesWritten: 5 }),
      socketWith({ writeQueueSize: 0 }, goesOn),
      socketWith({ writeQueueSize: 0 }, { writableLength: 0, bytesWritten: 5 })
    ]
    for (const socket of sockets) destroyWedged(socket)
    for (let i = 0; i < 20; i++) {
      goesOn.bytesWritten += 5
      await vi.advanceTimersByTimeAsync(500)
    }
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false, false, false])
    for (const socket of sockets) socket.destroy()
    await vi.advanceTimersByTimeAsync(0)
    expect(vi.getTimerCount()).toBe(0)
  })
})
