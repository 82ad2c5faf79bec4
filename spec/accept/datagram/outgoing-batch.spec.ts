import { beforeEach, describe, expect, it, vi } from 'vitest'
import { type Outgoing, OutgoingBatch } from '../../../lib/accept/datagram/outgoing-batch.ts'
import { encodeInternet } from '../../../lib/accept/native/sockaddr.ts'
import { UDPPeer } from '../../support/datagram-peers.ts'
import { madeSocket } from '../../support/made-sockets.ts'
import { turns } from '../../support/turns.ts'

/** What sendmmsg says of so many messages: how many leave, or the number of an error. One for each call, then the truth. */
let answers: ({ leave: number } | { errno: number })[] = []
let calls: number[] = []

const [EIO, EAGAIN, EINVAL, EMSGSIZE] = [5, 11, 22, 90]

vi.mock('../../../lib/accept/native/libc.ts', async (original) => {
  const real = await original<typeof import('../../../lib/accept/native/libc.ts')>()
  const truth = real.libc()
  let failure: number | undefined
  const faulty: typeof truth = {
    ...truth,
    sendmmsg: (fd, headers, size, flags) => {
      calls.push(size)
      const answer = answers.shift()
      failure = answer !== undefined && 'errno' in answer ? answer.errno : undefined
      if (failure !== undefined) return -1
      return truth.sendmmsg(fd, headers, answer !== undefined && 'leave' in answer ? answer.leave : size, flags)
    },
    errno: () => failure ?? truth.errno()
  }
  return { ...real, libc: () => faulty }
})

beforeEach(() => {
  answers = []
  calls = []
})

interface Bench {
  readonly batch: OutgoingBatch
  readonly told: string[]
  readonly peer: UDPPeer
  /** Add a reply; somebody may do something else when it is told. */
  add(text: string, to?: Buffer, then?: () => void): void
  state: { waiting: boolean }
  address: Buffer
}

async function bench({ most = 64, segments = true } = {}): Promise<Bench> {
  const { fd } = madeSocket('IPv4', 'datagram')
  const peer = await UDPPeer.bound()
  const address = encodeInternet('127.0.0.1', peer.port)
  const told: string[] = []
  const state = { waiting: false }
  const batch = new OutgoingBatch({ fd: () => fd, waiting: () => state.waiting, most, segments })
  const add: Bench['add'] = (text, to = address, then = () => {}) => {
    const tell = (how: string) => () => {
      told.push(`${text} ${how}`)
      then()
    }
    const reply: Outgoing = { bytes: Buffer.from(text), to, left: tell('left'), refused: tell('refused') }
    batch.add(reply)
  }
  return { batch, told, peer, add, state, address }
}

async function got(peer: UDPPeer, many: number): Promise<string[]> {
  while (peer.got.length < many) await turns()
  await turns(3)
  return peer.got.map(String)
}

const all = (texts: readonly string[], how: string): string[] => texts.map((text) => `${text} ${how}`)

describe('replies of a turn', () => {
  it('leave by one call, in their order, whatever their sizes', async () => {
    const { add, peer, told } = await bench()
    const texts = ['aa', 'bb', 'cc', 'd', '', '', 'ee', 'ff', 'g'.repeat(1_400)]
    for (const text of texts) add(text)
    expect(await got(peer, texts.length)).toEqual(texts)
    // aa bb cc are one message, which the kernel cuts; an empty one is always by itself.
    expect(calls).toEqual([6])
    expect(told).toEqual(all(texts, 'left'))
  })

  it('leave each for itself where the kernel can’t cut, from then on', async () => {
    for (const errno of [EINVAL, EIO, EMSGSIZE]) {
      calls = []
      answers = [{ errno }]
      const { add, batch, peer, told } = await bench()
      for (const text of ['aa', 'bb', 'cc']) add(text)
      batch.flushTurn()
      expect(calls).toEqual([1, 3])
      for (const text of ['dd', 'ee']) add(text)
      batch.flushTurn()
      expect(calls).toEqual([1, 3, 2])
      expect(await got(peer, 5)).toEqual(['aa', 'bb', 'cc', 'dd', 'ee'])
      expect(told).toEqual(all(['aa', 'bb', 'cc', 'dd', 'ee'], 'left'))
    }
  })

  it('are refused one by one where none can be sent, and the rest is tried', async () => {
    const { add, batch, peer, told } = await bench({ segments: false })
    answers = [{ errno: EINVAL }, { leave: 1 }, { errno: EINVAL }]
    for (const text of ['a', 'b', 'c', 'd']) add(text)
    batch.flushTurn()
    expect(told).toEqual(['a refused', 'b left', 'c refused', 'd left'])
    expect(await got(peer, 2)).toEqual(['b', 'd'])
  })

  it('take the other way, all that are left, once one waits for its peer', async () => {
    const { add, batch, state, told } = await bench()
    answers = [{ leave: 1 }, { errno: EAGAIN }]
    add('aa')
    add('b', undefined, () => {
      state.waiting = true
    })
    add('cc')
    add('dd')
    batch.flushTurn()
    expect(told).toEqual(['aa left', 'b refused', 'cc refused', 'dd refused'])
    expect(calls).toEqual([3, 2])
  })

  it('never are more than may wait for each other', async () => {
    const { add, batch, peer, told } = await bench({ most: 3, segments: false })
    const texts = Array.from({ length: 8 }, (_, i) => `${i}`)
    for (const text of texts) add(text)
    expect([calls, batch.size, told.length]).toEqual([[3, 3], 2, 6])
    expect(await got(peer, 8)).toEqual(texts)
  })
})

describe('whoever is told of a reply may reply to others', () => {
  it('and each reply leaves once', async () => {
    const { add, batch, peer, told } = await bench()
    add('aa', undefined, () => {
      for (const text of ['1', '22', '3']) add(text)
      // As a reply does that is too large to wait.
      batch.flushTurn()
    })
    for (const text of ['bb', 'cc', 'd', 'e']) add(text)
    batch.flushTurn()
    expect((await got(peer, 8)).sort()).toEqual(['1', '22', '3', 'aa', 'bb', 'cc', 'd', 'e'])
    expect([...told].sort()).toEqual(all(['1', '22', '3', 'aa', 'bb', 'cc', 'd', 'e'], 'left'))
  })

  it('as many as wait already', async () => {
    const { add, peer } = await bench({ most: 64, segments: false })
    const texts = Array.from({ length: 64 }, (_, i) => `${i}`)
    for (const text of texts) {
      add(text, undefined, () => {
        add(`again ${text}`)
      })
    }
    for (const text of ['x', 'y']) add(text)
    expect(await got(peer, 130)).toHaveLength(130)
    expect(calls.every((size) => size <= 64)).toBe(true)
  })
})
