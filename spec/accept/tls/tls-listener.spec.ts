import { expect, it } from 'vitest'
import type { StreamRequest } from '../../../lib/accept/stream/stream-request.ts'
import { TLSEngine } from '../../../lib/accept/tls/tls-engine.ts'
import { TLSListener } from '../../../lib/accept/tls/tls-listener.ts'
import type { RefusedEvent, RequestServer } from '../../../lib/index.ts'
import { zeroStats } from '../../../lib/stats.ts'
import type { Listener } from '../../../lib/transport.ts'
import { overhear } from '../../support/events.ts'
import { tlsLimits } from '../../support/limits.ts'
import { certificates } from '../../support/peers.ts'

it('a connection that was reset while it waited is refused for that', async () => {
  using refused = overhear<RefusedEvent>('refused')
  const words: string[] = []
  const reset = {
    exchange: () => {
      throw new Error('gone')
    },
    refuse: (why: string) => void words.push(why)
  }
  const requests = [reset]
  const plain = {
    listen: () => Promise.resolve(),
    accept: () => Promise.resolve(requests.shift())
  } as unknown as Listener<StreamRequest>
  const limits = tlsLimits({ maxHandshakes: 1, maxPending: 1 })
  const context = { server: {} as RequestServer, stats: zeroStats(), limits, noDelay: true }
  const engine = new TLSEngine('TLSServer', certificates())
  const listener = new TLSListener(plain, engine, context)
  await listener.listen()
  expect(await listener.accept()).toBe(undefined)
  expect(refused.messages.map(({ reason }) => reason)).toEqual(['handshake'])
  expect(words).toEqual(['it was gone before its TLS handshake'])
})
