import { existsSync, statSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  AbortedError,
  type DatagramRequest,
  DatagramRequestHandler,
  type DroppedEvent,
  drain,
  type Outcome,
  parallel,
  pipe,
  type Request,
  type Settlement,
  sequential,
  type UndeliveredEvent
} from '../../lib/index.ts'
import { pythonPeer, type UnixPeer, unixPeer, waitingAt } from '../support/datagram-peers.ts'
import { overhear } from '../support/events.ts'
import { temporaryPath } from '../support/peers.ts'
import { unixDatagram } from '../support/servers.ts'
import { turns, watch } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

const echo = (request: Request) => pipe(request, request)

let names = 0
const kinds = {
  path: temporaryPath,
  'abstract name': () => `\0it-socketserver/${process.pid}/${names++}`
}

/** Serves, and gives all outcomes as they come. */
function outcomesOf(
  server: AsyncIterable<DatagramRequest>,
  handler: (request: DatagramRequest) => unknown
): Outcome<DatagramRequest>[] {
  const outcomes: Outcome<DatagramRequest>[] = []
  void (async () => {
    for await (const outcome of parallel(handler, { limit: 1_000 })(server)) outcomes.push(outcome)
  })()
  return outcomes
}

async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await turns()
}

describe.for(['path', 'abstract name'] as const)('Unix datagrams at a %s', (kind) => {
  it.for([0, 1, 8_192, 212_000])('brings %d bytes whole, there and back', async (size) => {
    const server = await unixDatagram({ path: kinds[kind](), sendBufferSize: 300_000 })
    const seen: number[] = []
    void drain(
      parallel((request: DatagramRequest) => {
        seen.push(request.packet.length)
        return request.wfile.write(request.packet)
      })(server)
    )
    const peer = unixPeer(kinds[kind]())
    const packet = Buffer.alloc(size, 'a datagram ')
    expect((await peer.exchange(server.address.path, packet)).equals(packet)).toBe(true)
    expect(seen).toEqual([size])
    expect(server.stats()).toMatchObject({ accepted: 1, bytesIn: size, bytesOut: size, dropped: 0 })
  })

  it('says who asks, a byte for a byte, and answers that one', async () => {
    const path = kinds[kind]()
    const server = await unixDatagram({ path })
    expect(server.address).toEqual({ family: 'unix', path })
    void drain(parallel((request: Request) => request.wfile.write(JSON.stringify(request.clientAddress)))(server))
    const own = kind === 'path' ? temporaryPath() : `\0äöü\0${process.pid}\0`
    for (const at of [own, kinds[kind]()]) {
      const reply = await unixPeer(at).exchange(path, 'who am I?')
      expect(JSON.parse(String(reply))).toEqual({ family: 'unix', path: at })
    }
  })

  it('drops, counts and publishes what is larger than maxPacketSize, and cuts nothing', async () => {
    using drops = overhear<DroppedEvent>('dropped')
    const server = await unixDatagram({ path: kinds[kind](), maxPacketSize: 10 })
    void drain(parallel(echo)(server))
    const peer = unixPeer(kinds[kind]())
    peer.send(server.address.path, 'eleven char')
    peer.send(server.address.path, Buffer.alloc(200_000))
    expect(String(await peer.exchange(server.address.path, 'ten bytes!'))).toBe('ten bytes!')
    expect(server.stats()).toMatchObject({ accepted: 1, dropped: 2, bytesIn: 10 })
    const clientAddress = { family: 'unix', path: peer.path }
    expect(drops.messages).toEqual([
      { server, clientAddress, bytes: 11, reason: 'size' },
      { server, clientAddress, bytes: 200_000, reason: 'size' }
    ])
  })

  it('sends nothing where nothing was written, an empty one where that was, none after a throw', async () => {
    class Asked extends DatagramRequestHandler {
      override async handle(): Promise<void> {
        const asked = this.packet.toString()
        if (asked !== 'nothing') await this.wfile.write(asked === 'empty' ? '' : asked)
        if (asked === 'throw') throw new Error('on purpose')
      }
    }
    const server = await unixDatagram({ path: kinds[kind]() })
    void drain(sequential(Asked)(server))
    const peer = unixPeer(kinds[kind]())
    for (const asked of ['nothing', 'empty', 'throw', 'end']) peer.send(server.address.path, asked)
    expect([String(await peer.receive()), String(await peer.receive())]).toEqual(['', 'end'])
    expect(server.errors).toMatchObject([{ message: 'on purpose' }])
  })

  it('serves a sender without an address, and tells that its reply went nowhere', async () => {
    using undelivered = overhear<UndeliveredEvent>('undelivered')
    const server = await unixDatagram({ path: kinds[kind]() })
    const seen: string[] = []
    const outcomes = outcomesOf(server, (request) => {
      seen.push(request.packet.toString())
      return request.wfile.write('for whom?')
    })
    const unnamed = unixPeer()
    unnamed.send(server.address.path, 'hello')
    unnamed.send(server.address.path, '')
    await until(() => outcomes.length === 2)
    expect(seen).toEqual(['hello', ''])
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'aborted', reason: { cause: 'peer-gone' } })
      expect((outcome as { reason: Error }).reason).toBeInstanceOf(AbortedError)
      expect(outcome.request.clientAddress).toEqual({ family: 'unix', path: '' })
    }
    expect(undelivered.messages).toMatchObject([
      { clientAddress: { path: '' }, error: { origin: { code: 'EDESTADDRREQ' } } },
      { clientAddress: { path: '' }, error: { origin: { code: 'EDESTADDRREQ' } } }
    ])
    expect(String(await unixPeer(kinds[kind]()).exchange(server.address.path, 'still there?'))).toBe('for whom?')
  })

  it('goes on where a sender has vanished before its reply', async () => {
    using undelivered = overhear<UndeliveredEvent>('undelivered')
    const server = await unixDatagram({ path: kinds[kind]() })
    const vanishing = unixPeer(kinds[kind]())
    vanishing.send(server.address.path, 'bye')
    vanishing[Symbol.dispose]()
    const outcomes = outcomesOf(server, (request) => request.wfile.write('too late'))
    await until(() => outcomes.length === 1)
    expect(outcomes).toMatchObject([
      { status: 'aborted', reason: { cause: 'peer-gone', origin: { code: 'ECONNREFUSED' } } }
    ])
    expect(undelivered.messages).toMatchObject([{ clientAddress: { path: vanishing.path } }])
    expect(String(await unixPeer(kinds[kind]()).exchange(server.address.path, 'x'))).toBe('too late')
  })

  it('leaves in the kernel what nobody asks for, and its senders wait', async () => {
    const server = await unixDatagram({ path: kinds[kind]() })
    const peer = unixPeer(kinds[kind]())
    let sent = 0
    while (peer.send(server.address.path, `${sent}`) === undefined) sent++
    await turns(10)
    expect(server.stats()).toMatchObject({ accepted: 0, waiting: 0, dropped: 0 })
    expect(waitingAt(server.fileno())).toBe(1)
    const seen: string[] = []
    for await (const request of server.requests({ closeOnReturn: false })) {
      seen.push(String(request.packet))
      await request.close()
      if (seen.length === sent) break
    }
    expect(seen).toEqual(Array.from({ length: sent }, (_, i) => String(i)))
    expect(peer.send(server.address.path, 'there is room again')).toBe(undefined)
  })
})

describe('a peer that does not read', () => {
  const slow = `
peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
peer.bind(sys.argv[1])
for i in range(200):
    peer.sendto(str(i).encode(), sys.argv[2])
print('sent')
sys.stdin.readline()
time.sleep(1)
print('\\n'.join(peer.recv(100).decode() for i in range(200)))
`

  it('gets all 200 replies in order when it reads, and others are answered meanwhile', async () => {
    const server = await unixDatagram()
    const outcomes = outcomesOf(server, (request) => request.wfile.write(request.packet))
    const peer = pythonPeer(slow, temporaryPath(), server.address.path)
    expect(await peer.line()).toBe('sent')
    // The last of them wait in the kernel, where the next one may find no room.
    await until(() => server.stats().accepted === 200)
    const other = unixPeer(temporaryPath())
    const before = outcomes.length
    for (let i = 0; i < 20; i++) expect(String(await other.exchange(server.address.path, `x${i}`))).toBe(`x${i}`)
    await until(() => outcomes.length >= before + 20)
    // What it has asked for does not fit into its queue.
    expect(server.stats().open).toBeGreaterThan(100)
    peer.tell('read, after a second')
    const got: string[] = []
    for (let i = 0; i < 200; i++) got.push(await peer.line())
    expect(got).toEqual(Array.from({ length: 200 }, (_, i) => String(i)))
    await until(() => outcomes.length === 220)
    expect(outcomes.every(({ status }) => status === 'fulfilled')).toBe(true)
    expect(server.stats()).toMatchObject({ open: 0, served: 220 })
  })

  const numbers = (many: number) => Array.from({ length: many }, (_, i) => String(i))

  async function readAll(peer: UnixPeer, many: number): Promise<string[]> {
    const read: string[] = []
    while (read.length < many) read.push(String(await peer.receive()))
    return read
  }

  /** Sends so many, as fast as the server takes them in, and reads nothing. */
  async function ask(peer: UnixPeer, to: string, many: number): Promise<void> {
    for (let sent = 0; sent < many; ) {
      if (peer.send(to, String(sent)) === undefined) sent++
      else await turns()
    }
  }

  it.for([
    { mode: 'sequential', stage: sequential },
    { mode: 'parallel', stage: parallel }
  ])('holds up nobody else: $mode', async ({ stage }) => {
    const server = await unixDatagram()
    void drain(stage((request: DatagramRequest) => request.wfile.write(request.packet))(server))
    const peer = unixPeer(temporaryPath())
    await ask(peer, server.address.path, 60)
    // Until then the server's own queue may be full.
    await until(() => server.stats().accepted === 60)
    const other = unixPeer(temporaryPath())
    expect(String(await other.exchange(server.address.path, 'x'))).toBe('x')
    const { accepted, open, served } = server.stats()
    expect({ accepted, served }).toEqual({ accepted: 61, served: 61 })
    // The kernel has room for some.
    expect(open).toBeGreaterThan(40)
    expect(await readAll(peer, 60)).toEqual(numbers(60))
    await until(() => server.stats().open === 0)
  })

  it('does not hold up a bare loop', async () => {
    const server = await unixDatagram()
    const peer = unixPeer(temporaryPath())
    let served = 0
    const loop = (async () => {
      for await (const request of server) {
        await pipe(request, request)
        if (++served === 30) break
      }
    })()
    await ask(peer, server.address.path, 30)
    await loop
    expect(await readAll(peer, 30)).toEqual(numbers(30))
    expect(await server.closed).toMatchObject({ aborted: 0 })
  })

  it('has no more than its share of maxQueuedReplies waiting: the next ones fail', async () => {
    using undelivered = overhear<UndeliveredEvent>('undelivered')
    const server = await unixDatagram({ maxQueuedReplies: 20 })
    const outcomes = outcomesOf(server, (request) => request.wfile.write(request.packet))
    const peer = unixPeer(temporaryPath())
    await ask(peer, server.address.path, 40)
    await until(() => outcomes.length === 40)
    const failed = outcomes.filter(({ status }) => status === 'rejected')
    expect(failed.length).toBeGreaterThan(10)
    for (const { reason } of failed as { reason: unknown }[]) expect(reason).toMatchObject({ code: 'ENOBUFS' })
    expect(undelivered.messages.length).toBe(failed.length)
    expect(server.stats().open).toBe(5)
    // There is room for others, who are full for a moment.
    const other = unixPeer(temporaryPath())
    const more = 40 - failed.length
    await ask(other, server.address.path, more)
    expect(await readAll(other, more)).toEqual(numbers(more))
    const read = (await readAll(peer, more)).map(Number)
    expect(read).toEqual([...read].sort((a, b) => a - b))
  })

  it('is given up after sendTimeout', async () => {
    using undelivered = overhear<UndeliveredEvent>('undelivered')
    const server = await unixDatagram({ sendTimeout: 20 })
    const ends: Settlement[] = []
    const outcomes = outcomesOf(server, (request) => {
      request.whenClosed((_, end) => ends.push(end))
      return request.wfile.write(request.packet)
    })
    const peer = unixPeer(temporaryPath())
    await ask(peer, server.address.path, 15)
    await until(() => ends.length === 15)
    const failed = ends.filter(({ status }) => status === 'rejected') as { reason: unknown }[]
    expect(failed.length).toBeGreaterThan(1)
    for (const { reason } of failed) expect(reason).toMatchObject({ code: 'ETIMEDOUT' })
    expect(undelivered.messages).toMatchObject(
      failed.map(({ reason }) => ({ clientAddress: { family: 'unix', path: peer.path }, error: reason }))
    )
    expect(outcomes.map(({ status }) => status)).toEqual(Array(15).fill('fulfilled'))
    expect(server.stats().open).toBe(0)
  })

  it('that vanishes while replies wait for it is told of by events', async () => {
    using undelivered = overhear<UndeliveredEvent>('undelivered')
    const server = await unixDatagram()
    const outcomes = outcomesOf(server, (request) => request.wfile.write(request.packet))
    const peer = unixPeer(temporaryPath())
    await ask(peer, server.address.path, 30)
    await until(() => outcomes.length === 30)
    const { open } = server.stats()
    expect(open).toBeGreaterThan(10)
    peer[Symbol.dispose]()
    await until(() => server.stats().open === 0)
    expect(undelivered.messages).toMatchObject(
      Array(open).fill({ clientAddress: { path: peer.path }, error: { cause: 'peer-gone' } })
    )
    expect(server.errors).toEqual([])
  })

  it('gets nothing of a request that was cut off while its reply waited', async () => {
    using undelivered = overhear<UndeliveredEvent>('undelivered')
    const server = await unixDatagram()
    const requests: DatagramRequest[] = []
    const outcomes = outcomesOf(server, (request) => {
      requests.push(request)
      return request.wfile.write(request.packet)
    })
    const peer = unixPeer(temporaryPath())
    await ask(peer, server.address.path, 30)
    await until(() => outcomes.length === 30)
    const cut = requests[25] as DatagramRequest
    cut.abort(new Error('not any more'))
    const end = await new Promise<Settlement>((resolve) => cut.whenClosed((_, how) => resolve(how)))
    expect(end).toMatchObject({ status: 'aborted', reason: { cause: 'server-error' } })
    expect(await readAll(peer, 29)).toEqual(numbers(30).filter((text) => text !== '25'))
    await until(() => server.stats().open === 0)
    expect(peer.tryReceive()).toBe(undefined)
    expect(undelivered.messages).toMatchObject([{ error: { origin: { message: 'not any more' } } }])
  })

  it('gets nothing after the deadline of the close, which does not wait for it', async () => {
    using undelivered = overhear<UndeliveredEvent>('undelivered')
    const server = await unixDatagram()
    const outcomes = outcomesOf(server, (request) => request.wfile.write(request.packet))
    const peer = unixPeer(temporaryPath())
    await ask(peer, server.address.path, 30)
    await until(() => outcomes.length === 30)
    const { open } = server.stats()
    expect(open).toBeGreaterThan(10)
    const report = await server.close({ deadline: 1 })
    expect(report).toMatchObject({ aborted: open })
    expect(report.stillOpen.length).toBe(open)
    const read: string[] = []
    for (let packet = peer.tryReceive(); packet !== undefined; packet = peer.tryReceive()) read.push(String(packet))
    expect(read.length).toBe(30 - open)
    await turns(5)
    expect(undelivered.messages).toMatchObject(
      Array(open).fill({ clientAddress: { path: peer.path }, error: { cause: 'deadline' } })
    )
  })

  it('is waited for by a close whose deadline has not come', async () => {
    const server = await unixDatagram()
    const outcomes = outcomesOf(server, (request) => request.wfile.write(request.packet))
    const peer = unixPeer(temporaryPath())
    await ask(peer, server.address.path, 30)
    await until(() => outcomes.length === 30)
    const closing = watch(server.close())
    await turns(10)
    expect(closing.state).toBe('pending')
    expect(await readAll(peer, 30)).toEqual(numbers(30))
    expect(await closing.promise).toMatchObject({ aborted: 0, stillOpen: [] })
  })
})

describe('the socket file', () => {
  it('has the permissions that were asked for', async () => {
    const mask = process.umask(0o022)
    onTestFinished(() => void process.umask(mask))
    const server = await unixDatagram({ mode: 0o662 })
    expect(statSync(server.address.path).mode & 0o777).toBe(0o662)
    await server.close()
    expect(existsSync(server.address.path)).toBe(false)
  })
})
