import { once } from 'node:events'
import { Transform } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { describe, expect, it } from 'vitest'
import { MessageRequest } from '../../lib/accept/request/message-request.ts'
import { nodeStream } from '../../lib/bytes/node-stream.ts'
import { AbortedError } from '../../lib/errors.ts'
import type { Settlement } from '../../lib/outcome.ts'
import { QuietServer } from '../property/tracked-source.ts'
import { received } from '../support/peers.ts'
import { turns } from '../support/turns.ts'
import { gone, tcpPair } from './tcp-pair.ts'

function message(packet: string): { request: MessageRequest; replies: string[]; released: Settlement[] } {
  const replies: string[] = []
  const released: Settlement[] = []
  const request = new MessageRequest({
    server: new QuietServer(),
    packet,
    reply: (bytes) => replies.push(bytes.toString()),
    release: (outcome) => released.push(outcome)
  })
  return { request, replies, released }
}

function upper(): Transform {
  return new Transform({ transform: (chunk, _encoding, done) => done(null, String(chunk).toUpperCase()) })
}

describe('a message as a Node stream', () => {
  it('is read to its end, and what is written is the reply', async () => {
    const { request, replies, released } = message('shout')
    const stream = nodeStream(request)
    await pipeline(stream, upper(), stream)
    await turns()
    expect(replies).toEqual(['SHOUT'])
    expect(released.map(({ status }) => status)).toEqual(['fulfilled'])
  })

  it('is not read before somebody asks', async () => {
    const { request } = message('unread')
    const stream = nodeStream(request)
    await turns(2)
    expect(request.rfile.length).toBe(6)
    expect(await text(stream)).toBe('unread')
  })

  it('gives no reply where a pipeline fails', async () => {
    const { request, replies, released } = message('shout')
    const stream = nodeStream(request)
    const broken = new Transform({
      transform(chunk, _encoding, done) {
        this.push(chunk)
        done(new Error('broken'))
      }
    })
    await expect(pipeline(stream, broken, stream)).rejects.toThrow('broken')
    await turns()
    expect(replies).toEqual([])
    expect(released.map(({ status }) => status)).toEqual(['aborted'])
  })

  it('is aborted by a destroy with an error, and closed by one without', async () => {
    const cut = message('x')
    const reason = new Error('enough')
    const stream = nodeStream(cut.request)
    stream.write('half an answer')
    stream.destroy(reason)
    expect(await once(stream, 'error')).toEqual([reason])
    expect(cut.request.abortReason?.origin).toBe(reason)
    expect(cut.replies).toEqual([])

    const closed = message('x')
    const other = nodeStream(closed.request)
    other.write('the answer')
    other.destroy()
    await once(other, 'close')
    expect(closed.request.abortReason).toBe(undefined)
    expect(closed.replies).toEqual(['the answer'])
  })

  it('tells of a close that fails', async () => {
    const failing = new MessageRequest({
      server: new QuietServer(),
      packet: 'x',
      reply: () => Promise.reject(new Error('no way back'))
    })
    const stream = nodeStream(failing)
    stream.resume()
    stream.end('reply')
    expect(await once(stream, 'error')).toMatchObject([{ message: 'no way back' }])
  })
})

describe('a connection as a Node stream', () => {
  it('moves any amount both ways, and goes when both sides have ended', async () => {
    await using pair = await tcpPair()
    const stream = pair.request.toNodeStream()
    const echoing = pipeline(stream, stream)
    const bytes = Buffer.from(Array.from({ length: 1_000_003 }, (_, i) => i % 251))
    const answer = received(pair.client)
    pair.client.end(bytes)
    expect((await answer).equals(bytes)).toBe(true)
    await echoing
    await gone(pair.request)
    expect(pair.request.abortReason).toBe(undefined)
  })

  it('can answer after the end of the input', async () => {
    await using pair = await tcpPair()
    const stream = pair.request.toNodeStream()
    let input = ''
    // Not `for await`: leaving that destroys the stream.
    stream.on('data', (bytes: Buffer) => {
      input += bytes.toString()
    })
    pair.client.end('question')
    await once(stream, 'end')
    expect(input).toBe('question')
    stream.end('answer')
    expect((await received(pair.client)).toString()).toBe('answer')
  })

  it('sends what was written before a destroy without error', async () => {
    await using pair = await tcpPair()
    const stream = pair.request.toNodeStream()
    stream.write('goodbye')
    stream.destroy()
    expect((await received(pair.client)).toString()).toBe('goodbye')
  })

  it('fails when the peer is gone', async () => {
    await using pair = await tcpPair()
    const stream = pair.request.toNodeStream()
    stream.resume()
    pair.client.resetAndDestroy()
    const [error] = (await once(stream, 'error')) as [AbortedError]
    expect(error).toBeInstanceOf(AbortedError)
    expect(error.cause).toBe('peer-gone')
    await gone(pair.request)
  })

  it('waits for a peer that does not read', async () => {
    await using pair = await tcpPair()
    const stream = pair.request.toNodeStream()
    const chunk = Buffer.alloc(65_536, 'x')
    const total = 256
    let most = 0
    const writing = (async () => {
      for (let i = 0; i < total; i++) {
        if (!stream.write(chunk)) await once(stream, 'drain')
        most = Math.max(most, pair.request.wfile.length)
      }
      stream.end()
    })()
    // Nothing was taken from the socket so far: all must come all the same.
    const answer = await received(pair.client)
    await writing
    expect(answer.length).toBe(total * chunk.length)
    expect(most).toBeLessThanOrEqual(65_536 + chunk.length)
  })
})
