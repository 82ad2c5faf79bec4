import { Uint8ArrayList } from 'uint8arraylist'
import { describe, expect, it } from 'vitest'
import { MessageWriter } from '../../lib/bytes/message-writer.ts'
import { ClosedError, LimitExceededError } from '../../lib/errors.ts'
import { turns } from '../support/turns.ts'
import { unhandled } from '../support/unhandled.ts'

const limit = 16 * 1024 * 1024

describe('MessageWriter', () => {
  it('has no reply where nothing was written', async () => {
    const writer = new MessageWriter()
    await writer.flush()
    await writer.end()
    expect(writer.reply).toBe(undefined)
    expect(writer.length).toBe(0)
  })

  it('has an empty reply where nothing but an empty write was made', async () => {
    for (const nothing of ['', new Uint8Array(0), new Uint8ArrayList()]) {
      const writer = new MessageWriter()
      await writer.write(nothing)
      expect(writer.reply).toEqual(Buffer.alloc(0))
    }
  })

  it('gathers all writes as one reply', async () => {
    const writer = new MessageWriter()
    void writer.write('né')
    void writer.write(Buffer.from('w'))
    await writer.flush()
    await writer.write(new Uint8ArrayList(Buffer.from('s'), Buffer.from('!')))
    expect(writer.length).toBe(6)
    expect(writer.reply?.toString()).toBe('néws!')
  })

  it('does not copy a single write', async () => {
    const writer = new MessageWriter()
    const bytes = Buffer.from('bytes')
    await writer.write(bytes)
    expect(writer.reply).toBe(bytes)
  })

  it('keeps the reply and refuses writes after the end', async () => {
    const writer = new MessageWriter()
    void writer.write('kept')
    await writer.end()
    await writer.end()
    await expect(writer.write(' late')).rejects.toThrow(ClosedError)
    expect(writer.reply?.toString()).toBe('kept')
  })

  it('gives the error of its close to later writes, the first one', async () => {
    const writer = new MessageWriter()
    const gone = new Error('gone')
    writer.close(gone)
    writer.close(new Error('also'))
    await writer.end()
    await expect(writer.write('x')).rejects.toBe(gone)
    expect(writer.reply).toBe(undefined)
  })

  it('takes nothing but bytes and text', () => {
    const writer = new MessageWriter()
    expect(() => writer.write(7 as never)).toThrow(TypeError)
    expect(writer.reply).toBe(undefined)
  })

  it('takes 16 MiB', async () => {
    const writer = new MessageWriter()
    const bytes = Buffer.alloc(limit)
    await writer.write(bytes)
    await writer.write('')
    expect(writer.reply).toBe(bytes)
  })

  it('has no reply over 16 MiB: neither part of it nor silence', async () => {
    const writer = new MessageWriter()
    await writer.write('x')
    await expect(writer.write(Buffer.alloc(limit))).rejects.toMatchObject({ code: 'ERR_LIMIT_EXCEEDED', limit })
    await expect(writer.write('')).rejects.toThrow(LimitExceededError)
    expect(() => writer.reply).toThrow(LimitExceededError)
    await expect(writer.flush()).rejects.toThrow(LimitExceededError)
    await expect(writer.end()).rejects.toThrow(LimitExceededError)
    expect(() => writer.reply).toThrow(LimitExceededError)
    expect(writer.length).toBe(0)
  })

  it('leaves no rejection unhandled', async () => {
    const reasons = unhandled()
    const writer = new MessageWriter()
    void writer.write(Buffer.alloc(limit + 1))
    void writer.write('late')
    await turns(3)
    expect(reasons).toEqual([])
  })
})
