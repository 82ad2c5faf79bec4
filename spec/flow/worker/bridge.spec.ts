import { expect, it } from 'vitest'
import { MessageRequest } from '../../../lib/accept/request/message-request.ts'
import { ParentBridge } from '../../../lib/flow/worker/bridge.ts'
import { bridgeWindow, type PoolMessage } from '../../../lib/flow/worker/messages.ts'
import { BaseServer } from '../../../lib/index.ts'

function bridge(): { readonly bridge: ParentBridge; readonly told: PoolMessage[] } {
  const told: PoolMessage[] = []
  const worker = {
    runner: { pid: 1 },
    passesBy: 'descriptor' as const,
    send: (message: PoolMessage) => void told.push(message)
  }
  return { bridge: new ParentBridge(1, worker, new MessageRequest({ server: new BaseServer(), packet: '' })), told }
}

const data = (size: number) => ({ type: 'data', id: 1, bytes: Buffer.alloc(size) }) as const
const credit = (bytes: number) => ({ type: 'credit', id: 1, bytes }) as const

it('takes a window of a worker’s bytes, and more when those were written', async () => {
  const { bridge: ours, told } = bridge()
  expect(ours.heard(data(bridgeWindow))).toBe(true)
  expect(ours.heard(data(0))).toBe(true)
  expect(ours.heard(data(1))).toBe(false)
  await ours.drained()
  expect(told).toEqual([credit(bridgeWindow)])
  expect(ours.heard(data(1))).toBe(true)
})

it('takes nothing after the end', () => {
  const { bridge: ours } = bridge()
  expect(ours.heard({ type: 'end', id: 1 })).toBe(true)
  expect(ours.heard(data(1))).toBe(false)
})

it('takes no credit for what was not sent', () => {
  const { bridge: ours } = bridge()
  expect(ours.heard(credit(0))).toBe(true)
  expect(ours.heard(credit(1))).toBe(false)
})
