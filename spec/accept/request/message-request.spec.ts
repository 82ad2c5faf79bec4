import { describe, expect, it } from 'vitest'
import { BaseServer, MessageRequest, type Settlement } from '../../../lib/index.ts'
import { unhandled } from '../../support/unhandled.ts'

describe('a message request', () => {
  const server = new BaseServer()

  it('is given back once, though its reply aborts it and fails', async () => {
    const released: Settlement['status'][] = []
    const request: MessageRequest = new MessageRequest({
      server,
      packet: 'x',
      reply: () => {
        request.abort()
        throw new Error('no way back')
      },
      release: ({ status }) => released.push(status)
    })
    await request.wfile.write('y')
    await expect(request.close()).rejects.toThrow('no way back')
    expect(released).toEqual(['rejected'])
  })

  it('is answered once, though its reply closes it again', async () => {
    let replies = 0
    let released = 0
    const request: MessageRequest = new MessageRequest({
      server,
      packet: 'x',
      reply: () => {
        replies++
        void request.close()
      },
      release: () => released++
    })
    await request.wfile.write('y')
    await request.close()
    await request.close()
    expect([replies, released]).toEqual([1, 1])
  })

  it('waits for its reply and its release, promises or whatever can be awaited', async () => {
    const seen: string[] = []
    const lazy = (text: string) => ({
      // biome-ignore lint/suspicious/noThenProperty: a query that runs when it is awaited, say
      then: (resolve: (value: unknown) => void) => setImmediate(() => resolve(seen.push(text)))
    })
    const request = new MessageRequest({
      server,
      packet: 'x',
      reply: () => lazy('reply'),
      release: () => lazy('release')
    })
    request.whenClosed(() => seen.push('gone'))
    await request.wfile.write('y')
    await request.close()
    expect(seen).toEqual(['reply', 'release', 'gone'])
    const failing = new MessageRequest({ server, packet: 'x', release: () => Promise.reject(new Error('no commit')) })
    await expect(failing.close()).rejects.toThrow('no commit')
  })

  it('is closed by a pipe, though somebody has asked for its lines and never read one', async () => {
    const replies: string[] = []
    const request = new MessageRequest({ server, packet: 'x', reply: (bytes) => replies.push(bytes.toString()) })
    request.rfile.lines()
    await request.sink(['answer'])
    expect(replies).toEqual(['answer'])
  })

  it('tells how it went, to whoever asks before and after', async () => {
    const told: string[] = []
    const request = new MessageRequest({ server, packet: 'x' })
    request.whenClosed((_, { status }) => told.push(`before: ${status}`))
    await request.close({ status: 'rejected', reason: new Error('no') })
    request.whenClosed((_, { status }) => told.push(`after: ${status}`))
    expect(told).toEqual(['before: rejected', 'after: rejected'])
  })

  it('is cut off though its reply never ends', async () => {
    const released: Settlement['status'][] = []
    const request = new MessageRequest({
      server,
      packet: 'x',
      reply: () => new Promise(() => {}),
      release: ({ status }) => released.push(status)
    })
    await request.wfile.write('y')
    const closing = request.close()
    request.abort(new Error('enough'))
    await expect(closing).rejects.toMatchObject({ cause: 'server-error' })
    expect(released).toEqual(['rejected'])
  })

  it('may be closed by somebody who does not wait, though its reply fails', async () => {
    const reasons = unhandled()
    const request = new MessageRequest({
      server,
      packet: 'x',
      reply: () => {
        throw new Error('no')
      }
    })
    void request.wfile.write('y')
    void request.close()
    await new Promise((resolve) => setTimeout(resolve, 0))
    expect(reasons).toEqual([])
  })

  it('refuses last bytes after the last', async () => {
    const request = new MessageRequest({ server, packet: 'x' })
    await request.wfile.end('a')
    await expect(request.wfile.end('b')).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })
})
