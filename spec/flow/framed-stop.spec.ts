import { once } from 'node:events'
import * as lp from 'it-length-prefixed'
import { describe, expect, it } from 'vitest'
import {
  type EndEvent,
  FrameRequest,
  framed,
  lines,
  type StartEvent,
  type StreamRequest,
  TCPServer
} from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { runChild } from '../support/child.ts'
import { overhear } from '../support/events.ts'
import { dial, exchange, received } from '../support/peers.ts'
import { tcp } from '../support/servers.ts'
import { turns } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'
import { echo, forever, gated, serving, until } from './frames.ts'

checkNothingUnhandled()

const prefixed = { decode: lp.decode, encode: lp.encode.single }

describe('framed, when it is left', () => {
  it('closes the server, refuses what is ready, and lets those handed out finish', async () => {
    const server = await tcp()
    using refused = overhear('refused')
    const frames = framed(lines())(server)
    const first = frames.next()
    const reply = exchange(server.address, 'a\nb\nc\n')
    const { value: frame } = await first
    await turns(5)
    const { address } = server
    await frames.return?.()
    expect(await frames.next()).toEqual({ done: true, value: undefined })
    // The port is free again.
    await (await new TCPServer({ port: address.port }).listen()).close()
    expect(frame?.signal.aborted).toBe(false)
    await frame?.wfile.write('A')
    await frame?.close()
    expect(await reply).toBe('A\n')
    await refused.count(1)
    await server.closed
    expect(server.stats().refused).toBe(1)
  })

  it('closes connections at rest, and does not wait for a parked source', async () => {
    const server = await tcp()
    async function* relay(): AsyncGenerator<never> {
      for await (const request of server) yield request as never
    }
    const frames = framed(prefixed)(relay())
    const parked = frames.next()
    const client = await dial(server.address)
    await until(() => server.stats().open === 1)
    await frames.return?.()
    expect(await parked).toEqual({ done: true, value: undefined })
    expect((await received(client)).length).toBe(0)
    client.end()
    await server.close()
  })
})

it('tells one start and one end of each frame of a bare loop, and of what becomes of it', async () => {
  using starts = overhear<StartEvent>('start')
  using ends = overhear<EndEvent>('end')
  const server = await tcp()
  const answer = exchange(server.address, 'one\ntwo\n')
  const frames: FrameRequest[] = []
  for await (const frame of framed(lines())(server)) {
    frames.push(frame)
    if (frames.length === 1) {
      await frame.wfile.write('first')
      await frame.close()
    } else {
      frame.abort(new Error('no more'))
      break
    }
  }
  expect(await answer).toContain('first')
  await server.close()
  const ofFrames = (messages: readonly { request: unknown }[]) =>
    messages.filter(({ request }) => frames.includes(request as FrameRequest))
  expect(ofFrames(starts.messages)).toHaveLength(2)
  expect(ofFrames(ends.messages.map(({ outcome }) => outcome))).toMatchObject([
    { request: frames[0], status: 'fulfilled' },
    { request: frames[1], status: 'aborted' }
  ])
})

describe('framed, when its server closes', () => {
  it('closes connections at rest at once', async () => {
    const { server, ended } = await serving(echo)
    const other = await serving(echo, { codec: prefixed })
    const [silent, served] = [await dial(server.address), await dial(server.address)]
    served.write('a\n')
    await once(served, 'data')
    const third = await dial(other.server.address)
    third.write(lp.encode.single(Buffer.from('a')).subarray())
    await once(third, 'data')
    for (const client of [silent, served, third]) client.on('end', () => client.end()).resume()
    const reports = await Promise.all([server, other.server].map((closing) => closing.close({ deadline: forever })))
    expect(reports).toMatchObject([
      { finished: 2, aborted: 0 },
      { finished: 1, aborted: 0 }
    ])
    await Promise.all([ended, other.ended])
  })

  it('closes those at rest that it takes from the queue of a closing server', async () => {
    const { handler, began, gate } = gated()
    const { server, ended } = await serving(handler, { maxConnections: 1, backend: 'node' })
    const first = await dial(server.address)
    first.write('a\n')
    await until(() => began.length === 1)
    const [silent, asking] = [await dial(server.address), await dial(server.address)]
    asking.write('b\n')
    await until(() => server.stats().waiting === 2)
    const closing = server.close({ deadline: forever })
    for (const text of ['a', 'b']) gate(text).resolve()
    for (const [client, reply] of [
      [first, 'A\n'],
      [silent, ''],
      [asking, 'B\n']
    ] as const) {
      expect((await received(client)).toString()).toBe(reply)
      client.end()
    }
    expect(await closing).toMatchObject({ finished: 3, aborted: 0, refused: 0 })
    await ended
  })

  it('closes one at rest that reaches it after the close has begun', async () => {
    const server = await tcp()
    const requests = server.requests({ closeOnReturn: false })
    const taken = requests.next()
    const client = await dial(server.address)
    const { value } = await taken
    const closing = server.close({ deadline: forever })
    await turns(5)
    const frames = framed(lines())([value as StreamRequest])
    expect(await frames.next()).toEqual({ done: true, value: undefined })
    expect((await received(client)).length).toBe(0)
    client.end()
    expect(await closing).toMatchObject({ finished: 1, aborted: 0 })
  })

  it('serves frames that have come, and those that are in the middle of coming', async () => {
    const { handler, began, gate } = gated()
    const { server, ended } = await serving(handler)
    const [running, halfway] = [await dial(server.address), await dial(server.address)]
    running.write('running\nnext\n')
    halfway.write('half')
    await until(() => began.length === 2 && server.counters.bytesIn === 17)
    const closing = server.close({ deadline: forever })
    await turns(5)
    for (const text of ['running', 'next', 'halfway']) gate(text).resolve()
    expect((await received(running)).toString()).toBe('RUNNING\nNEXT\n')
    halfway.write('way\n')
    expect((await received(halfway)).toString()).toBe('HALFWAY\n')
    for (const client of [running, halfway]) client.end()
    expect(await closing).toMatchObject({ finished: 2, aborted: 0 })
    await ended
  })

  it('serves a frame that lies in the kernel', async () => {
    const { server } = await serving(echo)
    const client = await dial(server.address)
    client.write('a\n')
    await once(client, 'data')
    await new Promise((resolve) => client.write('b\n', resolve))
    const closing = server.close({ deadline: forever })
    expect((await received(client)).toString()).toBe('b\n')
    client.end()
    await closing
  })

  it('is cut off at the deadline, which names the connections', async () => {
    const { handler, began } = gated()
    const { server, outcomes, ended } = await serving(handler)
    const [running, halfway] = [await dial(server.address), await dial(server.address)]
    for (const client of [running, halfway]) client.on('error', () => {})
    running.write('a\nb\n')
    halfway.write('half')
    await until(() => began.length === 2 && server.counters.bytesIn === 8)
    const report = await server.close({ deadline: 1 })
    expect(report).toMatchObject({ finished: 0, aborted: 2 })
    expect(report.stillOpen.map(({ bytesIn }) => bytesIn)).toEqual([4, 4])
    await ended
    expect(outcomes.map(({ status }) => status)).toEqual(['aborted', 'aborted'])
    for (const { request } of outcomes) expect(request.abortReason).toMatchObject({ cause: 'deadline' })
    for (const client of [running, halfway]) client.destroy()
  })

  it.each(['native', 'node'] as const)(
    'counts each frame at the deadline, and not its connection, though no handler returns, by %s',
    async (backend) => {
      using starts = overhear<StartEvent>('start')
      using ends = overhear<EndEvent>('end')
      const { handler, began, gate } = gated()
      const { server } = await serving(handler, { backend })
      const client = (await dial(server.address)).on('error', () => {})
      client.write('a\nb\n')
      await until(() => began.length === 2)
      expect((await server.close({ deadline: 1 })).aborted).toBe(1)
      const ofServer = ({ server: whose }: { server: unknown }) => whose === server
      await until(() => ends.messages.filter(ofServer).length === 3)
      expect(starts.messages.filter(ofServer).length).toBe(3)
      expect(server.stats()).toMatchObject({ accepted: 1, served: 0, failed: 2 })
      const frames = ends.messages.filter(ofServer).filter(({ outcome }) => outcome.request instanceof FrameRequest)
      expect(frames.map(({ outcome }) => outcome.status)).toEqual(['aborted', 'aborted'])
      for (const { outcome } of frames) expect(outcome.elapsed).toBeLessThan(performance.now())
      // Too late: they have been told.
      for (const text of ['a', 'b']) gate(text).resolve()
      await turns(5)
      expect(ends.messages.filter(ofServer).length).toBe(3)
      expect(server.stats()).toMatchObject({ served: 0, failed: 2 })
      client.destroy()
    }
  )

  it('keeps nothing of the connections that have gone', async () => {
    const { code, stdout, stderr } = await runChild(`
      import { once } from 'node:events'
      import { connect } from 'node:net'
      import { setFlagsFromString } from 'node:v8'
      import { runInNewContext } from 'node:vm'
      setFlagsFromString('--expose-gc')
      const gc = runInNewContext('gc')
      const turn = () => new Promise((resolve) => setImmediate(resolve))
      const server = await new lib.TCPServer({ port: 0 }).listen()
      const signals = []
      server.verifyRequest = (request) => {
        signals.push(new WeakRef(request.stopping))
        return true
      }
      const echo = ({ packet, wfile }) => wfile.write(packet)
      const serving = lib.pipe(server, lib.framed(lib.lines()), lib.parallel(echo), lib.drain)
      for (let i = 0; i < 20; i++) {
        const client = connect(server.address.port).end('frame\\n').resume()
        await once(client, 'close')
      }
      await server.waitForConnections((open) => open === 0)
      for (let i = 0; i < 20; i++) { await turn(); gc() }
      // Of the last one something may be on the stack still.
      console.log(signals.length, signals.filter((signal) => signal.deref() !== undefined).length < 3)
      await server.close()
      await serving
    `)
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '20 true\n', stderr: '' })
  })

  it('does not report closed while a frame is still worked on', async () => {
    const gate = deferred<void>()
    const begun = deferred<FrameRequest>()
    const { server } = await serving(async (frame) => {
      begun.resolve(frame)
      await gate.promise
    })
    const client = await dial(server.address)
    client.write('a\n')
    const frame = await begun.promise
    client.resetAndDestroy()
    await once(frame.signal, 'abort')
    const closing = server.close({ deadline: forever })
    let closed = false
    void closing.then(() => {
      closed = true
    })
    await turns(20)
    expect([closed, server.stats().open]).toEqual([false, 1])
    gate.resolve()
    expect(await closing).toMatchObject({ finished: 1, aborted: 0 })
    // Its handler has ended well: that the peer left before it is the peer's affair.
    expect(server.stats()).toMatchObject({ open: 0, served: 1, failed: 0 })
  })
})
