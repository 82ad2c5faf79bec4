import fc from 'fast-check'
import { expect, it } from 'vitest'
import { recordError } from '../../../lib/flow/worker/error-record.ts'
import { decode, encode, joined, parted } from '../../../lib/flow/worker/message-codec.ts'
import type { PoolMessage, ReportMessage, WorkerMessage } from '../../../lib/flow/worker/messages.ts'

const report: ReportMessage = {
  type: 'report',
  id: 1,
  status: 'fulfilled',
  value: undefined,
  error: undefined,
  notes: [],
  reply: undefined,
  bytesIn: 3,
  bytesOut: 4
}

function crossed(message: PoolMessage | WorkerMessage): unknown {
  const bytes = encode(message)
  const came = decode(bytes)
  // Whatever is kept of it must be a copy.
  bytes.fill(0xff)
  return came
}

it('keeps every kind of message', () => {
  const error = recordError(new RangeError('too far', { cause: new Error('far') }))
  const clientAddress = { family: 'IPv4', host: '127.0.0.1', port: 1 } as const
  const take = { type: 'take', id: 2 ** 40, server: 1, address: undefined, clientAddress } as const
  const messages: (PoolMessage | WorkerMessage)[] = [
    { type: 'claim', id: 2 ** 40 },
    { type: 'data', id: 7, bytes: Buffer.from('bytes') },
    { type: 'data', id: 7, bytes: Buffer.alloc(0) },
    { type: 'end', id: 7 },
    { type: 'credit', id: 7, bytes: 5 },
    { type: 'cut', id: 7, error },
    { type: 'ready' },
    { type: 'failed', error },
    { ...take, carriage: { by: 'bridge', decrypted: true, limits: { idleTimeout: 1_000 } } },
    { ...take, carriage: { by: 'message', packet: Buffer.from([0, 255]) } },
    {
      ...take,
      carriage: { by: 'descriptor', fd: 3, noDelay: true, limits: { lingerTimeout: 1_000 }, unread: undefined }
    },
    {
      ...take,
      carriage: {
        by: 'descriptor',
        fd: 3,
        noDelay: true,
        limits: { lingerTimeout: 1_000 },
        unread: Buffer.from('unread')
      }
    },
    report,
    { ...report, status: 'rejected', error, notes: [error] },
    { ...report, reply: Buffer.from('reply') }
  ]
  for (const message of messages) expect(crossed(message)).toEqual(message)
})

it('keeps every value', () => {
  const values = [0, -0, Number.NaN, 2n ** 70n, 'ü', true, null, undefined]
  for (const value of values) expect((crossed({ ...report, value }) as ReportMessage).value).toBe(value)
  expect(crossed({ ...report, value: Buffer.from('bytes') })).toEqual({ ...report, value: Buffer.from('bytes') })
})

it('parts what was joined', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (messages) => {
      const bytes = joined(messages.map((message) => Buffer.from(message)))
      expect(Array.from(parted(bytes), (message) => Array.from(message))).toEqual(messages.map((m) => Array.from(m)))
    })
  )
})
