import { describe, expect, it, onTestFinished } from 'vitest'
import { Outbox, type Reply } from '../../../lib/accept/datagram/outbox.ts'
import { turns, watch } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

const never = Number.POSITIVE_INFINITY

/** A kernel: each peer has room for so many; undefined for a peer that is not there. */
class Kernel {
  readonly left: string[] = []
  readonly room = new Map<string, number>()
  tried = 0

  readonly send = ({ bytes, to }: Reply): boolean => {
    this.tried++
    const peer = to.toString()
    const room = this.room.get(peer)
    if (room === undefined) throw Object.assign(new Error('gone'), { code: 'ECONNREFUSED' })
    if (room === 0) return false
    this.room.set(peer, room - 1)
    this.left.push(`${peer}${bytes}`)
    return true
  }
}

interface Bounds {
  limit?: number
  share?: number
  timeout?: number
}

function boxed({ limit = never, share = 1, timeout = never }: Bounds = {}) {
  const kernel = new Kernel()
  const outbox = new Outbox({ send: kernel.send, limits: { maxQueuedReplies: limit, sendTimeout: timeout }, share })
  onTestFinished(() => outbox.close(new Error('the test is over')))
  const send = (to: string, bytes: string | number, cutOff: () => boolean = () => false) =>
    outbox.send({ bytes: Buffer.from(String(bytes)), to: Buffer.from(to), cutOff })
  return { kernel, outbox, send }
}

describe('an outbox', () => {
  it('sends at once where there is room, and keeps nothing', () => {
    const { kernel, outbox, send } = boxed()
    kernel.room.set('a', 2)
    expect(send('a', 1)).toBe(undefined)
    expect(send('a', 2)).toBe(undefined)
    expect(kernel.left).toEqual(['a1', 'a2'])
    expect(outbox.size).toBe(0)
  })

  it('keeps the order of a peer’s replies, though there is room before the first has left', async () => {
    const { kernel, outbox, send } = boxed()
    kernel.room.set('a', 0)
    const sent = [send('a', 1), send('a', 2)]
    kernel.room.set('a', 10)
    sent.push(send('a', 3))
    expect(outbox.size).toBe(3)
    expect(kernel.left).toEqual([])
    await Promise.all(sent)
    expect(kernel.left).toEqual(['a1', 'a2', 'a3'])
    expect(outbox.size).toBe(0)
    expect(send('a', 4)).toBe(undefined)
  })

  it('holds nobody up for a peer that does not read', async () => {
    const { kernel, send } = boxed()
    kernel.room.set('full', 0).set('b', 0).set('c', 9)
    const full = watch(send('full', 1) as Promise<void>)
    const waits = send('b', 1)
    expect(send('c', 1)).toBe(undefined)
    kernel.room.set('b', 1)
    await waits
    expect(kernel.left).toEqual(['c1', 'b1'])
    expect(full.state).toBe('pending')
    kernel.room.set('full', 1)
    await full.promise
  })

  it('goes on trying, ever more rarely', async () => {
    const { kernel, send } = boxed()
    kernel.room.set('a', 0)
    const sent = send('a', 1)
    while (kernel.tried < 8) await turns()
    kernel.room.set('a', 1)
    await sent
    expect(kernel.left).toEqual(['a1'])
  })

  it('takes no more than its limit, whoever they are for', async () => {
    const { kernel, outbox, send } = boxed({ limit: 2 })
    kernel.room.set('a', 0).set('b', 0).set('c', 9)
    const sent = [send('a', 1), send('b', 1)]
    expect(() => send('a', 2)).toThrow(expect.objectContaining({ code: 'ENOBUFS' }))
    expect(() => send('b', 2)).toThrow(/2 replies wait already/)
    expect(send('c', 1)).toBe(undefined)
    expect(outbox.size).toBe(2)
    kernel.room.set('a', 9).set('b', 9)
    await Promise.all(sent)
    expect(kernel.left.sort()).toEqual(['a1', 'b1', 'c1'])
  })

  it('takes no more for one peer than its share, and others find room', async () => {
    const { kernel, outbox, send } = boxed({ limit: 4, share: 1 / 2 })
    kernel.room.set('a', 0).set('b', 0)
    const sent = [send('a', 1), send('a', 2)]
    expect(() => send('a', 3)).toThrow(expect.objectContaining({ code: 'ENOBUFS' }))
    expect(() => send('a', 3)).toThrow(/2 replies wait already for the peer/)
    sent.push(send('b', 1), send('b', 2))
    expect(outbox.size).toBe(4)
    kernel.room.set('a', 9).set('b', 9)
    await Promise.all(sent)
    expect(kernel.left.sort()).toEqual(['a1', 'a2', 'b1', 'b2'])
    expect(send('a', 3)).toBe(undefined)
  })

  it('gives up what waited too long, and what waits behind it when its time comes', async () => {
    const { kernel, outbox, send } = boxed({ timeout: 5 })
    kernel.room.set('a', 0)
    const waits = [send('a', 1), send('a', 2)]
    for (const wait of waits) await expect(wait).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    expect(outbox.size).toBe(0)
    kernel.room.set('a', 1)
    expect(send('a', 3)).toBe(undefined)
    expect(kernel.left).toEqual(['a3'])
  })

  it('never sends what was cut off while it waited', async () => {
    const { kernel, send } = boxed()
    kernel.room.set('a', 0)
    let cut = false
    const first = send('a', 1, () => cut)
    const second = send('a', 2)
    cut = true
    kernel.room.set('a', 9)
    await Promise.all([first, second])
    expect(kernel.left).toEqual(['a2'])
  })

  it('tells each whose peer has gone, and goes on with the next', async () => {
    const { kernel, outbox, send } = boxed()
    expect(() => send('nobody', 1)).toThrow('gone')
    kernel.room.set('a', 0).set('b', 0)
    const sent = [send('a', 1), send('a', 2)].map((promise) => watch(promise as Promise<void>))
    const other = send('b', 1)
    kernel.room.delete('a')
    kernel.room.set('b', 1)
    await other
    while (outbox.size > 0) await turns()
    await turns()
    expect(sent.map(({ reason }) => (reason as NodeJS.ErrnoException).code)).toEqual(['ECONNREFUSED', 'ECONNREFUSED'])
  })

  it('gives up all that waits at its close, and tries nothing any more', async () => {
    const { kernel, outbox, send } = boxed()
    kernel.room.set('a', 0).set('b', 0)
    const waits = [send('a', 1), send('b', 1)].map((promise) => watch(promise as Promise<void>))
    await turns(3)
    outbox.close(new Error('closed'))
    const { tried } = kernel
    kernel.room.set('a', 9).set('b', 9)
    await turns(5)
    await new Promise((resolve) => setTimeout(resolve, 0))
    expect(waits.map(({ reason }) => (reason as Error).message)).toEqual(['closed', 'closed'])
    expect(kernel).toMatchObject({ tried, left: [] })
    expect(outbox.size).toBe(0)
  })
})
