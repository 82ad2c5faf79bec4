import { TransformStream } from 'node:stream/web'
import { describe, expect, it } from 'vitest'
import { MessageRequest } from '../../lib/accept/request/message-request.ts'
import { webStreams } from '../../lib/bytes/web-streams.ts'
import { AbortedError } from '../../lib/errors.ts'
import type { Settlement } from '../../lib/outcome.ts'
import { QuietServer } from '../property/tracked-source.ts'
import { received } from '../support/peers.ts'
import { turns } from '../support/turns.ts'
import { gone, tcpPair } from './tcp-pair.ts'

function upper(): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform: (bytes, controller) => controller.enqueue(Buffer.from(Buffer.from(bytes).toString().toUpperCase()))
  })
}

function message(packet: string): { request: MessageRequest; released: Settlement[] } {
  const released: Settlement[] = []
  return {
    released,
    request: new MessageRequest({ server: new QuietServer(), packet, release: (outcome) => released.push(outcome) })
  }
}

describe('a message as web streams', () => {
  it('is not read before somebody asks', async () => {
    const { request } = message('unread')
    const { readable } = webStreams(request)
    await turns(2)
    expect(request.rfile.length).toBe(6)
    const reader = readable.getReader()
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('unread')
    expect(await reader.read()).toEqual({ done: true, value: undefined })
  })

  it('is aborted by cancelling the input', async () => {
    const { request, released } = message('x')
    const reason = new Error('enough')
    await webStreams(request).readable.cancel(reason)
    expect(request.abortReason).toMatchObject({ cause: 'server-error', origin: reason })
    expect(released.map(({ status }) => status)).toEqual(['aborted'])
  })

  it('is aborted by aborting the output', async () => {
    const { request, released } = message('x')
    const reason = new Error('enough')
    await webStreams(request).writable.abort(reason)
    expect(request.abortReason).toMatchObject({ cause: 'server-error', origin: reason })
    expect(released.map(({ status }) => status)).toEqual(['aborted'])
  })

  it('is not written any more after the close of the output', async () => {
    const { request } = message('x')
    const writer = webStreams(request).writable.getWriter()
    await writer.write(Buffer.from('all'))
    await writer.close()
    await expect(request.wfile.write('more')).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(request.wfile.length).toBe(3)
  })
})

describe('a connection as web streams', () => {
  it('moves any amount both ways, and goes when both sides have ended', async () => {
    await using pair = await tcpPair()
    const { readable, writable } = pair.request.toWebStreams()
    const serving = readable.pipeThrough(upper()).pipeTo(writable)
    const answer = received(pair.client)
    pair.client.end(Buffer.alloc(300_000, 'shout '))
    expect((await answer).equals(Buffer.alloc(300_000, 'SHOUT '))).toBe(true)
    await serving
    await gone(pair.request)
    expect(pair.request.abortReason).toBe(undefined)
  })

  it('can be detached as long as nobody has read', async () => {
    await using pair = await tcpPair()
    pair.request.toWebStreams()
    await turns(2)
    const socket = pair.request.detach()
    socket.end('by hand')
    expect((await received(pair.client)).toString()).toBe('by hand')
    socket.destroy()
  })

  it('can answer after the end of the input', async () => {
    await using pair = await tcpPair()
    const { readable, writable } = pair.request.toWebStreams()
    pair.client.end('question')
    let input = ''
    for await (const bytes of readable) input += Buffer.from(bytes).toString()
    expect(input).toBe('question')
    const writer = writable.getWriter()
    await writer.write(Buffer.from('answer'))
    await writer.close()
    expect((await received(pair.client)).toString()).toBe('answer')
  })

  it('fail when the peer is gone', async () => {
    await using pair = await tcpPair()
    const { readable, writable } = pair.request.toWebStreams()
    const reading = readable.getReader().read()
    pair.client.resetAndDestroy()
    await expect(reading).rejects.toBeInstanceOf(AbortedError)
    await expect(writable.getWriter().write(Buffer.from('x'))).rejects.toMatchObject({ cause: 'peer-gone' })
    await gone(pair.request)
  })

  it('are cut off by cancelling the input', async () => {
    await using pair = await tcpPair()
    const { readable, writable } = pair.request.toWebStreams()
    const ended = received(pair.client).catch((error: unknown) => (error as NodeJS.ErrnoException).code)
    await readable.cancel(new Error('enough'))
    await gone(pair.request)
    await expect(writable.getWriter().write(Buffer.from('x'))).rejects.toMatchObject({ cause: 'server-error' })
    await ended
  })

  it('wait for a peer that does not read', async () => {
    await using pair = await tcpPair()
    const { writable } = pair.request.toWebStreams()
    const writer = writable.getWriter()
    const chunk = Buffer.alloc(65_536, 'x')
    const total = 256
    let most = 0
    const writing = (async () => {
      for (let i = 0; i < total; i++) {
        await writer.ready
        void writer.write(chunk)
        most = Math.max(most, pair.request.wfile.length)
      }
      await writer.close()
    })()
    expect((await received(pair.client)).length).toBe(total * chunk.length)
    await writing
    expect(most).toBeLessThanOrEqual(65_536 + chunk.length)
  })
})
