import { describe, expect, it } from 'vitest'
import { ownBytes } from '../../../lib/flow/worker/own-bytes.ts'

describe('bytes of their own', () => {
  it('are given away with their message, and nothing else of the memory that they were a part of', () => {
    const pool = Buffer.from('a secret, and a message')
    const message = { type: 'data', id: 1, bytes: pool.subarray(-7) }
    const [own, transferred] = ownBytes(message)
    expect(own).toMatchObject({ type: 'data', id: 1 })
    expect(Buffer.from(own.bytes).toString()).toBe('message')
    expect(own.bytes.buffer.byteLength).toBe(7)
    expect(transferred).toEqual([own.bytes.buffer])
    structuredClone(own, { transfer: transferred })
    expect(message.bytes.toString()).toBe('message')
  })

  it('are found in how a request is carried', () => {
    const carriage = { by: 'message', packet: Buffer.from('packet') }
    const message = { type: 'take', carriage }
    const [own, transferred] = ownBytes(message)
    expect(own.carriage).not.toBe(carriage)
    expect(transferred).toEqual([own.carriage.packet.buffer])
    expect(message.carriage).toBe(carriage)
  })

  it('are no reason to copy a message that has none', () => {
    const message = { type: 'end', id: 1, carriage: { by: 'bridge' } }
    const [own, transferred] = ownBytes(message)
    expect(own).toBe(message)
    expect(transferred).toEqual([])
  })

  it('may be none, and more than one', () => {
    const [own, transferred] = ownBytes({ value: Buffer.alloc(0), reply: new Uint8Array([1]) })
    expect([own.value.length, own.reply.length]).toEqual([0, 1])
    expect(transferred).toHaveLength(2)
  })
})
