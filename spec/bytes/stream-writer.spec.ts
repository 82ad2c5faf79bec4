import { Uint8ArrayList } from 'uint8arraylist'
import { beforeEach, describe, expect, it } from 'vitest'
import { StreamWriter } from '../../lib/bytes/stream-writer.ts'
import { ClosedError, LimitExceededError } from '../../lib/errors.ts'
import { microtasks, turns, watch } from '../support/turns.ts'
import { checkNothingUnhandled, unhandled } from '../support/unhandled.ts'
import { FakeOutlet } from './fake-outlet.ts'

let outlet: FakeOutlet
let writer: StreamWriter
checkNothingUnhandled()

beforeEach(() => {
  outlet = new FakeOutlet()
  writer = new StreamWriter(outlet)
})

describe('what a StreamWriter sends', () => {
  it('is all that was written in one turn, at its end, in one go', async () => {
    void writer.write('héllo ')
    void writer.write(Buffer.from('wor'))
    void writer.write(new Uint8ArrayList(Buffer.from('l'), Buffer.alloc(0), Buffer.from('d')))
    await microtasks(5)
    void writer.write('!')
    expect(outlet.sends).toEqual([])
    expect(writer.length).toBe(13)
    await turns()
    expect(outlet.sends).toHaveLength(1)
    expect(outlet.sends[0]?.bytes).toBe(13)
    expect(outlet.text).toBe(Buffer.from('héllo world!').toString('latin1'))
  })

  it('is sent turn by turn', async () => {
    void writer.write('a')
    await turns()
    outlet.sent()
    expect(writer.length).toBe(0)
    void writer.write('b')
    await turns()
    expect(outlet.sends.map(({ text }) => text)).toEqual(['a', 'b'])
  })

  it('is not copied', async () => {
    const bytes = Buffer.from('bytes')
    const listed = new Uint8Array([1, 2])
    void writer.write(bytes)
    void writer.write(new Uint8ArrayList(listed))
    await turns()
    expect(outlet.sends[0]?.chunks[0]).toBe(bytes)
    expect(outlet.sends[0]?.chunks[1]).toBe(listed)
  })

  it('leaves at once where it is 64 KiB', () => {
    void writer.write(Buffer.alloc(65_535))
    expect(outlet.sends).toHaveLength(0)
    void writer.write('x')
    expect(outlet.sends.map(({ bytes }) => bytes)).toEqual([65_536])
  })

  it('gathers while a send is under way, and then leaves together, in order', async () => {
    void writer.write('1')
    await turns()
    void writer.write('2')
    await turns()
    void writer.write('3')
    void writer.write(Buffer.alloc(65_536, '4'))
    await turns()
    expect(outlet.sends).toHaveLength(1)
    expect(writer.length).toBe(65_539)
    outlet.sent()
    expect(outlet.sends).toHaveLength(2)
    expect(outlet.sends[1]?.text.slice(0, 3)).toBe('234')
    expect(writer.length).toBe(65_538)
    outlet.sent()
    await turns()
    expect(outlet.sends).toHaveLength(2)
    expect(writer.length).toBe(0)
  })

  it('is nothing where nothing was written', async () => {
    await writer.write('')
    await writer.write(new Uint8Array(0))
    await writer.write(new Uint8ArrayList())
    await writer.flush()
    await turns()
    expect(outlet.sends).toEqual([])
  })

  it('is bytes or text: anything else is a TypeError, and is not written', async () => {
    for (const wrong of [undefined, null, 7, [1], new ArrayBuffer(2), { length: 1 }]) {
      expect(() => writer.write(wrong as never)).toThrow(TypeError)
    }
    expect(writer.length).toBe(0)
    await writer.flush()
    expect(outlet.sends).toEqual([])
  })
})

describe('waiting for a StreamWriter', () => {
  it('is only needed above the high-water mark, until no more than that is left', async () => {
    writer.highWaterMark = 10
    const under = watch(writer.write('0123456789'))
    const over = watch(writer.write('x'))
    const more = watch(writer.write('yz'))
    await turns()
    expect([under.state, over.state, more.state]).toEqual(['fulfilled', 'pending', 'pending'])
    const late = watch(writer.write('0123456789'))
    expect(outlet.sends).toHaveLength(1)
    outlet.sent()
    await microtasks()
    expect(writer.length).toBe(10)
    expect([over.state, more.state, late.state]).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
    const again = watch(writer.write('!'))
    await microtasks()
    expect(again.state).toBe('pending')
    outlet.sent()
    await microtasks()
    expect(again.state).toBe('fulfilled')
  })

  it('is for bytes that are being sent, too', async () => {
    writer.highWaterMark = 10
    void writer.write('0123456789')
    await turns()
    const over = watch(writer.write('x'))
    await turns()
    expect(over.state).toBe('pending')
    outlet.sent()
    await microtasks()
    expect(over.state).toBe('fulfilled')
  })

  it('is for an empty write as for any other', async () => {
    writer.highWaterMark = 10
    void writer.write('more than ten bytes')
    const unsent = watch(writer.write(''))
    await turns()
    const sending = watch(writer.write(''))
    await microtasks()
    expect([unsent.state, sending.state]).toEqual(['pending', 'pending'])
    outlet.sent()
    await microtasks()
    expect([unsent.state, sending.state]).toEqual(['fulfilled', 'fulfilled'])
  })

  it('flush() sends now and waits for all', async () => {
    void writer.write('a')
    const first = watch(writer.flush())
    expect(outlet.text).toBe('a')
    void writer.write('b')
    const second = watch(writer.flush())
    outlet.sent()
    await microtasks()
    expect(outlet.text).toBe('ab')
    // Whoever flushes waits for what was written before, not for what others go on to write.
    expect([first.state, second.state]).toEqual(['fulfilled', 'pending'])
    outlet.sent()
    await microtasks()
    expect([first.state, second.state]).toEqual(['fulfilled', 'fulfilled'])
    await writer.flush()
    await turns()
    expect(outlet.sends).toHaveLength(2)
  })
})

describe('the end of a StreamWriter', () => {
  it('comes after all that was written, and settles when it has left', async () => {
    void writer.write('a')
    await turns()
    void writer.write('b')
    const ending = watch(writer.end())
    expect(outlet.finishes).toBe(0)
    outlet.sent()
    expect(outlet.text).toBe('ab')
    expect(outlet.finishes).toBe(0)
    outlet.sent()
    expect(outlet.finishes).toBe(1)
    await turns()
    expect(ending.state).toBe('pending')
    outlet.finished()
    await ending.promise
  })

  it('does not wait for the end of the turn', () => {
    void writer.write('a')
    void writer.end()
    expect(outlet.text).toBe('a')
    expect(outlet.finishes).toBe(0)
    outlet.sent()
    expect(outlet.finishes).toBe(1)
  })

  it('is told at once where nothing is left, and once only', async () => {
    const endings = [writer.end(), writer.end()]
    expect(outlet.finishes).toBe(1)
    outlet.finished()
    await Promise.all(endings)
    await writer.end()
    expect(outlet.finishes).toBe(1)
  })

  it('refuses writes after it, not those before', async () => {
    void writer.write('kept')
    void writer.end()
    await expect(writer.write('late')).rejects.toThrow(ClosedError)
    void writer.write('late and not awaited')
    const flushing = watch(writer.flush())
    outlet.sent()
    await flushing.promise
    expect(outlet.text).toBe('kept')
  })
})

describe('the failure of a StreamWriter', () => {
  const gone = new Error('the peer is gone')

  it('is the error of all who wait, and of all who come', async () => {
    writer.highWaterMark = 1
    const waiting = [watch(writer.write('too much')), watch(writer.flush()), watch(writer.end())]
    outlet.sent(gone)
    await microtasks()
    for (const { reason } of waiting) expect(reason).toBe(gone)
    for (const later of [writer.write('x'), writer.write(''), writer.flush(), writer.end()]) {
      await expect(later).rejects.toBe(gone)
    }
    expect(writer.length).toBe(0)
    expect(outlet.sends).toHaveLength(1)
    expect(outlet.finishes).toBe(0)
  })

  it('of a write that nobody awaited is not unhandled, and comes back from the next', async () => {
    const reasons = unhandled()
    for (const next of ['write', 'flush', 'end'] as const) {
      outlet = new FakeOutlet()
      writer = new StreamWriter(outlet)
      writer.highWaterMark = 1
      void writer.write('not awaited, and above the mark')
      void writer.flush()
      outlet.sent(gone)
      void writer.write('nor is this')
      await turns(2)
      expect(reasons).toEqual([])
      await expect(next === 'write' ? writer.write('x') : writer[next]()).rejects.toBe(gone)
    }
  })

  it('does not matter to an end that has lost nothing', async () => {
    void writer.write('a')
    void writer.flush()
    outlet.sent()
    writer.fail(gone)
    await writer.end()
    expect(outlet.finishes).toBe(0)
    await expect(writer.write('x')).rejects.toBe(gone)
  })

  it('matters to an end that has lost bytes: unsent, or being sent', async () => {
    void writer.write('unsent')
    writer.fail(gone)
    await expect(writer.end()).rejects.toBe(gone)

    writer = new StreamWriter(outlet)
    void writer.write('being sent')
    await turns()
    const ending = writer.end()
    writer.fail(gone)
    await expect(ending).rejects.toBe(gone)
    // The socket tells what became of the send all the same.
    outlet.sent(new Error('cancelled'))
    await expect(writer.flush()).rejects.toBe(gone)
    expect(outlet.finishes).toBe(0)
  })

  it('of telling the end is no loss', async () => {
    const ending = writer.end()
    outlet.finished(gone)
    await ending
    await expect(writer.flush()).rejects.toBe(gone)
  })

  it('while the end is being told settles it', async () => {
    const ending = writer.end()
    writer.fail(gone)
    await ending
    outlet.finished()
    await writer.end()
  })

  it('is made an error only when somebody runs into it', async () => {
    let made = 0
    writer.fail(() => {
      made++
      return gone
    })
    await writer.end()
    expect(made).toBe(0)
    await expect(writer.write('x')).rejects.toBe(gone)
    await expect(writer.flush()).rejects.toBe(gone)
    expect(made).toBe(2)
  })

  it('is the first one: later ones change nothing', async () => {
    void writer.write('a')
    writer.fail(gone)
    writer.fail(new Error('also'))
    await expect(writer.write('b')).rejects.toBe(gone)
    await turns()
    expect(outlet.sends).toEqual([])
  })
})

describe('the bound of a StreamWriter', () => {
  it('is an error of writes that were not waited for, and is told to the outlet', async () => {
    writer.maxQueue = 10
    writer.highWaterMark = 5
    void writer.write('0123456789')
    void writer.write('x')
    expect(outlet.overflows).toEqual([])
    const refused = watch(writer.write('y'))
    await microtasks()
    expect(refused.reason).toBeInstanceOf(LimitExceededError)
    expect((refused.reason as LimitExceededError).limit).toBe(10)
    expect(outlet.overflows).toEqual([refused.reason])
    void writer.write('nor this, and nobody awaits it')
    expect(writer.length).toBe(11)
    void writer.flush()
    expect(outlet.text).toBe('0123456789x')
  })

  it('does not stop those who wait', async () => {
    writer.maxQueue = 10
    writer.highWaterMark = 5
    const first = watch(writer.write('more than ten bytes'))
    await turns()
    outlet.sent()
    await first.promise
    await writer.write('next')
    expect(outlet.overflows).toEqual([])
  })
})

describe('an outlet that sends at once', () => {
  const gone = new Error('the peer is gone')

  beforeEach(() => {
    outlet.atOnce = true
  })

  it('lets nobody wait', async () => {
    writer.highWaterMark = 10
    await writer.write(Buffer.alloc(65_536))
    void writer.write('a')
    await writer.flush()
    void writer.write('b')
    expect(writer.length).toBe(1)
    const ending = writer.end()
    expect(outlet.finishes).toBe(1)
    outlet.finished()
    await ending
    expect(outlet.sends.map(({ bytes }) => bytes)).toEqual([65_536, 1, 1])
  })

  it('is told the end once, though another send was under way before', async () => {
    outlet.atOnce = false
    void writer.write('slow')
    await turns()
    void writer.write('fast')
    const ending = writer.end()
    outlet.atOnce = true
    outlet.sent()
    expect(outlet.text).toBe('slowfast')
    expect(outlet.finishes).toBe(1)
    outlet.finished()
    await ending
  })

  it('makes the flush and the end fail that it fails', async () => {
    outlet.error = gone
    void writer.write('lost')
    await expect(writer.flush()).rejects.toBe(gone)
    await expect(writer.end()).rejects.toBe(gone)

    writer = new StreamWriter(outlet)
    void writer.write('lost')
    await expect(writer.end()).rejects.toBe(gone)
    expect(outlet.finishes).toBe(0)
  })

  it('is not told the end after its failure', async () => {
    outlet.atOnce = false
    void writer.write('slow')
    await turns()
    void writer.write('lost')
    const ending = writer.end()
    outlet.atOnce = true
    outlet.error = gone
    outlet.sent()
    await expect(ending).rejects.toBe(gone)
    expect(outlet.finishes).toBe(0)
  })
})
