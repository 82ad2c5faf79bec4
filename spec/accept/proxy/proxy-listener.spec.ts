import { describe, expect, it } from 'vitest'
import { ProxyListener } from '../../../lib/accept/proxy/proxy-listener.ts'
import { proxyPlan } from '../../../lib/accept/proxy/proxy-options.ts'
import { StreamRequest } from '../../../lib/accept/stream/stream-request.ts'
import { internetAddress } from '../../../lib/address.ts'
import { BaseServer, type ProxyEvent } from '../../../lib/index.ts'
import { type Deferred, deferred } from '../../../lib/iterator/deferred.ts'
import { zeroStats } from '../../../lib/stats.ts'
import type { Listener } from '../../../lib/transport.ts'
import { overhear, settled } from '../../support/events.ts'
import { streamLimits } from '../../support/limits.ts'
import { line } from '../../support/proxy-headers.ts'
import { type RawPeer, tcpPair } from '../../support/raw-peer.ts'
import { turns } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

type Answer = StreamRequest | undefined | Promise<StreamRequest | undefined>

const owner = new BaseServer()
const friend = internetAddress('IPv4', '127.0.0.1', 1)
const stranger = internetAddress('IPv4', '192.0.2.1', 1)

/** A listener that answers as it is told. */
class Plain {
  readonly answers: (() => Answer)[] = []
  asked: Deferred<StreamRequest | undefined> | undefined
  waiting = 0

  accept(): Answer {
    const answer = this.answers.shift()
    if (answer !== undefined) return answer()
    this.asked = deferred()
    return this.asked.promise
  }

  close(): Promise<void> {
    this.asked?.resolve(undefined)
    return Promise.resolve()
  }

  discard(): void {}
}

const context = { server: owner, stats: zeroStats(), limits: streamLimits(), noDelay: false }

function made(options: object = {}): { plain: Plain; listener: ProxyListener; stats: ReturnType<typeof zeroStats> } {
  const plain = new Plain()
  const stats = zeroStats()
  const plan = proxyPlan('proxyProtocol', { trust: ['127.0.0.1'], timeout: Number.POSITIVE_INFINITY, ...options })
  const listener = new ProxyListener(plain as unknown as Listener<StreamRequest>, plan, stats)
  return { plain, listener, stats }
}

function connection(address = friend): { request: StreamRequest; peer: RawPeer } {
  const { fd, peer } = tcpPair()
  return { request: new StreamRequest(fd, address, context), peer }
}

describe('a listener behind proxies', () => {
  it('answers at once where all is there', () => {
    const { plain, listener } = made()
    const { request, peer } = connection()
    peer.send(line)
    plain.answers.push(() => request)
    expect(listener.accept()).toBe(request)
    expect(request.clientAddress).toMatchObject({ host: '192.0.2.7' })
    expect(plain.asked).toBe(undefined)
    request.abort()
  })

  it('asks for nobody while nobody asks it', async () => {
    const { plain, listener } = made()
    const { request, peer } = connection()
    plain.answers.push(() => request)
    const first = listener.accept()
    expect(listener.waiting).toBe(1)
    const { asked } = plain
    expect(asked).toBeDefined()
    peer.send(line)
    expect(await first).toBe(request)
    // The one that is asked for is read when it comes, and kept.
    const other = connection()
    other.peer.send(line)
    plain.asked = undefined
    asked?.resolve(other.request)
    await turns()
    expect(listener.waiting).toBe(1)
    expect(plain.asked).toBe(undefined)
    expect(listener.accept()).toBe(other.request)
    request.abort()
    other.request.abort()
  })

  it('gets through a crowd of strangers', () => {
    const { plain, listener, stats } = made()
    for (let i = 0; i < 5_000; i++) {
      const request = new StreamRequest(
        new (class {
          destroyed = false
          on = (): this => this
          off = (): this => this
          destroy = (): this => this
          pause = (): this => this
        })() as never,
        stranger,
        context
      )
      plain.answers.push(() => request)
    }
    const { request, peer } = connection()
    peer.send(line)
    plain.answers.push(() => request)
    expect(listener.accept()).toBe(request)
    expect(stats.refused).toBe(5_000)
    request.abort()
  })

  for (const [how, answer] of Object.entries({
    throws: (): never => {
      throw new Error('dead')
    },
    rejects: () => Promise.reject(new Error('dead'))
  })) {
    it(`dies with the one that it stands on, after those who have come: it ${how}`, async () => {
      const { plain, listener } = made()
      const { request, peer } = connection()
      plain.answers.push(() => request, answer)
      const first = listener.accept() as Promise<StreamRequest>
      await turns()
      expect(await settled(first)).toBe(false)
      peer.send(line)
      expect(await first).toBe(request)
      await expect(listener.accept()).rejects.toThrow('dead')
      request.abort()
    })
  }

  it('ends when its last header has come, or will not', async () => {
    using proxied = overhear<ProxyEvent>('proxy')
    const { plain, listener, stats } = made()
    const [first, second] = [connection(), connection()]
    plain.answers.push(
      () => first.request,
      () => second.request
    )
    const asked = listener.accept() as Promise<StreamRequest | undefined>
    await listener.close()
    expect(listener.waiting).toBe(2)
    first.peer.reset()
    await proxied.count(1)
    expect(await settled(asked)).toBe(false)
    second.peer.send(line.slice(0, 20))
    second.peer.end()
    expect(await asked).toBe(undefined)
    expect(stats.refused).toBe(2)
    expect(proxied.messages.map(({ error }) => error?.message)).toEqual([
      'Cannot read the PROXY header: the peer is gone (ECONNRESET)',
      'Cannot read the PROXY header: the peer has ended before'
    ])
    expect(await listener.accept()).toBe(undefined)
  })

  it('refuses those who come after it was told to refuse all', async () => {
    const { plain, listener, stats } = made()
    const asked = listener.accept() as Promise<StreamRequest | undefined>
    listener.discard()
    const { request } = connection()
    plain.asked?.resolve(request)
    await turns()
    expect(request.abortReason).toMatchObject({ cause: 'refused' })
    expect(stats.refused).toBe(1)
    await listener.close()
    expect(await asked).toBe(undefined)
  })
})
