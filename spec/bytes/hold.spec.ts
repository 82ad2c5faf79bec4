import { beforeEach, describe, expect, it } from 'vitest'
import { ByteReader } from '../../lib/bytes/reader.ts'
import { StreamWriter } from '../../lib/bytes/stream-writer.ts'
import { turns, watch } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'
import { FakeOutlet } from './fake-outlet.ts'

let outlet: FakeOutlet
let writer: StreamWriter
let held: number
checkNothingUnhandled()

beforeEach(() => {
  outlet = new FakeOutlet()
  writer = new StreamWriter(outlet)
  held = 0
})

const hold = (): unknown => writer.hold(() => void held++)
const sent = (): string[] => outlet.sends.map(({ text }) => text)

describe('a StreamWriter that holds back', () => {
  it('sends nothing of what comes, until it is released', async () => {
    hold()
    expect(held).toBe(1)
    const flushed = watch(writer.flush())
    void writer.write('after ')
    void writer.write(Buffer.alloc(70_000, 'x'))
    const ended = watch(writer.end())
    const more = watch(writer.flush())
    await turns(2)
    expect([sent(), flushed.state, more.state, ended.state]).toEqual([[], 'fulfilled', 'pending', 'pending'])
    writer.release()
    expect(outlet.sends.map(({ bytes }) => bytes)).toEqual([70_006])
    outlet.sent()
    outlet.finished()
    await turns()
    expect([more.state, ended.state, held]).toEqual(['fulfilled', 'fulfilled', 1])
  })

  it('sends what was written before, and says when it has left', async () => {
    void writer.write('before')
    hold()
    void writer.write('after')
    await turns(2)
    expect([sent(), held]).toEqual([['before'], 0])
    outlet.sent()
    await turns(2)
    expect([sent(), held]).toEqual([['before'], 1])
    writer.release()
    expect(sent()).toEqual(['before', 'after'])
  })

  it('sends what was written before while a send is under way', async () => {
    void writer.write('one')
    await turns()
    void writer.write('two')
    const flushed = watch(writer.flush())
    hold()
    void writer.write('after')
    expect(sent()).toEqual(['one'])
    outlet.sent()
    await turns(2)
    expect([sent(), held, flushed.state]).toEqual([['one', 'two'], 0, 'pending'])
    outlet.sent()
    await turns(2)
    expect([sent(), held, flushed.state]).toEqual([['one', 'two'], 1, 'fulfilled'])
    writer.release()
    outlet.sent()
    expect([sent(), writer.length]).toEqual([['one', 'two', 'after'], 0])
    void writer.write('as before')
    await turns()
    expect(sent().at(-1)).toBe('as before')
  })

  it('does so with a way that sends at once', () => {
    outlet.atOnce = true
    void writer.write('before')
    hold()
    expect([sent(), held]).toEqual([['before'], 1])
    void writer.write(Buffer.alloc(65_536))
    expect(outlet.sends).toHaveLength(1)
    writer.release()
    expect(outlet.sends).toHaveLength(2)
  })

  it('makes writers wait above the mark, and lets them go on', async () => {
    hold()
    const write = watch(writer.write(Buffer.alloc(100_000)))
    await turns()
    expect(write.state).toBe('pending')
    writer.release()
    outlet.sent()
    await turns()
    expect(write.state).toBe('fulfilled')
  })

  it('never says that anything has left where it has not', async () => {
    void writer.write('before')
    hold()
    const flushed = watch(writer.write('after').then(() => writer.flush()))
    outlet.sent(new Error('reset'))
    await turns()
    writer.release()
    expect([held, sent(), flushed.state]).toEqual([0, ['before'], 'rejected'])
    expect(writer.hold(() => void held++)).toMatchObject({ message: 'reset' })
    expect(held).toBe(0)
  })

  it('says so where what was written before cannot be sent', () => {
    outlet.send = () => {
      throw new Error('taken away')
    }
    void writer.write('before')
    expect(writer.hold(() => void held++)).toMatchObject({ message: 'taken away' })
    expect([held, outlet.losses]).toEqual([0, [expect.objectContaining({ message: 'taken away' })]])
  })
})

describe('a ByteReader whose input is taken away', () => {
  it('gives what was not read, and asks for more when somebody reads again', async () => {
    let asked = 0
    const reader = new ByteReader({ resume: () => void asked++, waits: () => {} })
    const line = reader.readLine()
    reader.push(Buffer.from('line\nre'))
    reader.push(Buffer.from('st'))
    expect((await line)?.toString()).toBe('line\n')
    const before = asked
    expect(reader.suspend().toString()).toBe('rest')
    const next = reader.readLine()
    expect(asked).toBe(before + 1)
    reader.push(Buffer.from('next\n'))
    expect((await next)?.toString()).toBe('next\n')
  })
})
