import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { libc } from '../../../lib/accept/native/libc.ts'
import { NativeWire } from '../../../lib/accept/stream/native-wire.ts'
import type { WireHost } from '../../../lib/accept/stream/wire.ts'
import { type RawPair, type RawPeer, tcpPair, unixPair } from '../../support/raw-peer.ts'
import { turns } from '../../support/turns.ts'

const F_DUPFD_CLOEXEC = 1_030
const SOL_SOCKET = 1
const SO_SNDBUF = 7

/** Notes all that it is told. */
class Host implements WireHost {
  discarding = false
  readonly told: string[] = []
  text = ''
  /** Whether more is wanted after what has come. */
  more = true
  onBytes = (): void => {}

  arrived(chunk: Buffer): boolean {
    this.text += String(chunk)
    this.onBytes()
    return this.more
  }

  discard(size: number): boolean {
    this.told.push(`dropped ${size}`)
    return true
  }

  inputEnded(): void {
    this.told.push('end')
  }

  failed(error: NodeJS.ErrnoException): void {
    this.told.push(`failed ${error.code ?? error.name}`)
  }

  timedOut(): void {
    this.told.push('timed out')
  }

  closed(): void {
    this.told.push('closed')
  }
}

function wired({ fd, peer }: RawPair, isUnix = false): { wire: NativeWire; host: Host; peer: RawPeer } {
  const host = new Host()
  const wire = new NativeWire(fd, host, false, isUnix)
  onTestFinished(() => wire.destroy())
  return { wire, host, peer }
}

async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await turns()
}

describe('what has come behind a read that got less than it asked for', () => {
  it('is read: bytes behind those that were sent with a descriptor', async () => {
    const { wire, host, peer } = wired(unixPair(), true)
    for (const watched of [false, true]) {
      host.text = ''
      peer.sendWithDescriptor('a')
      peer.send('b')
      peer.sendWithDescriptor('c')
      peer.send('d')
      if (!watched) wire.read()
      await turns(5)
      expect(host.text).toBe('abcd')
    }
  })

  it('is read: bytes behind an urgent one', async () => {
    const { wire, host, peer } = wired(tcpPair())
    for (const watched of [false, true]) {
      host.text = ''
      peer.send('ab')
      peer.sendUrgent('!')
      peer.send('cd')
      if (!watched) wire.read()
      await until(() => host.text.length >= 4)
      expect(host.text).toBe('abcd')
    }
  })

  it('is told: the end', async () => {
    for (const watched of [false, true]) {
      const { wire, host, peer } = wired(tcpPair())
      if (watched) {
        wire.read()
        await turns(3)
      }
      peer.send('last')
      peer.end()
      wire.read()
      await until(() => host.told.length > 0)
      expect([host.text, ...host.told]).toEqual(['last', 'end'])
    }
  })

  it('is told: a reset', async () => {
    const { wire, host, peer } = wired(tcpPair())
    wire.read()
    await turns(3)
    peer.send('last')
    peer.reset()
    await until(() => host.told.length > 1)
    expect([host.text, ...host.told]).toEqual(['last', 'failed ECONNRESET', 'closed'])
  })
})

describe('whoever wants no more for now', () => {
  it('gets what comes meanwhile, and the end, when it reads on', async () => {
    for (const [isUnix, pair] of [
      [true, unixPair],
      [false, tcpPair]
    ] as const) {
      const { wire, host, peer } = wired(pair(), isUnix)
      host.more = false
      wire.read()
      peer.send('first')
      await until(() => host.text !== '')
      peer.send(' second')
      await turns(5)
      expect(host.text).toBe('first')
      wire.read()
      await until(() => host.text !== 'first')
      expect(host.text).toBe('first second')
      peer.send(' third')
      peer.end()
      await turns(5)
      expect([host.text, ...host.told]).toEqual(['first second'])
      host.more = true
      wire.read()
      await until(() => host.told.length > 0)
      expect([host.text, ...host.told]).toEqual(['first second third', 'end'])
    }
  })

  it('leaves more than a read takes in the kernel, and gets it in pieces', async () => {
    const { wire, host, peer } = wired(unixPair(), true)
    host.more = false
    peer.send('x'.repeat(5_000))
    const sizes = []
    for (let before = -1; host.text.length > before && host.text.length < 5_000; ) {
      before = host.text.length
      wire.read()
      await turns(3)
      sizes.push(host.text.length - before)
    }
    expect(sizes.length).toBeGreaterThan(1)
    expect(host.text).toBe('x'.repeat(5_000))
  })
})

it('drops at the close what came, and hears of the end that came, while only room to write was waited for', async () => {
  const { wire, host, peer } = wired(unixPair(), true)
  const sent: unknown[] = []
  wire.send([Buffer.alloc(4_000_000)], 4_000_000, { sent: (error) => sent.push(error) })
  peer.send('unread')
  peer.end()
  while (sent.length === 0) if (peer.receive() === undefined) await turns()
  wire.end((error) => sent.push(error))
  await turns(5)
  expect(host.told).toEqual([])
  host.discarding = true
  wire.read()
  await until(() => host.told.length > 2)
  expect([sent, host.told]).toEqual([
    [undefined, undefined],
    ['dropped 6', 'end', 'closed']
  ])
})

describe('what finds no room', () => {
  function narrow(pair: RawPair): RawPair {
    libc().setsockopt(pair.fd, SOL_SOCKET, SO_SNDBUF, new Int32Array([4_096]), 4)
    return pair
  }

  it('leaves in order, once, before the end', async () => {
    const { wire, host, peer } = wired(narrow(tcpPair()))
    const chunks = Array.from({ length: 60 }, (_, i) => Buffer.alloc(10_007, i))
    const sent: unknown[] = []
    wire.send(chunks, 60 * 10_007, {
      sent(error) {
        sent.push(error)
        wire.end((failure) => sent.push(failure))
      }
    })
    expect(sent).toEqual([])
    const got: Buffer[] = []
    for (let bytes = peer.receive(); bytes === undefined || bytes.length > 0; bytes = peer.receive()) {
      if (bytes === undefined) await turns()
      else got.push(bytes)
    }
    expect(Buffer.concat(got).equals(Buffer.concat(chunks))).toBe(true)
    expect(sent).toEqual([undefined, undefined])
    expect(host.told).toEqual([])
  })

  it('fails where its bytes are taken away while it waits, and nothing leaves in their place', async () => {
    const { wire, host, peer } = wired(narrow(unixPair()), true)
    const taken = new Uint8Array(1_000_000)
    const sent: unknown[] = []
    wire.send([taken, Buffer.from('tail')], taken.length + 4, { sent: (error) => sent.push(error?.name) })
    structuredClone(taken.buffer, { transfer: [taken.buffer] })
    let last: Buffer = Buffer.alloc(0)
    for (let bytes = peer.receive(); bytes === undefined || bytes.length > 0; bytes = peer.receive()) {
      if (bytes === undefined) await turns()
      else last = bytes
    }
    expect(String(last.subarray(-4))).not.toBe('tail')
    expect(sent).toEqual(['TypeError'])
    expect(host.told).toEqual(['failed TypeError', 'closed'])
  })

  it('is told of a peer that goes', async () => {
    const { wire, host, peer } = wired(narrow(tcpPair()))
    const sent: unknown[] = []
    wire.send([Buffer.alloc(4_000_000)], 4_000_000, { sent: (error) => sent.push(error?.message) })
    await turns(3)
    peer.reset()
    await until(() => host.told.includes('closed'))
    expect(host.told).toEqual(['failed ECONNRESET', 'closed'])
    expect(sent).toEqual(['write ECONNRESET'])
  })
})

it('has ended well towards a peer that has reset, as sockets of Node’s have: all had left', async () => {
  const { wire, host, peer } = wired(tcpPair())
  peer.reset()
  await turns(3)
  const ended: unknown[] = []
  wire.end((error) => ended.push(error))
  expect(ended).toEqual([undefined])
  expect(host.told).toEqual([])
})

describe('a wire that is destroyed', () => {
  it('in the middle of a read tells nothing more but that it is closed', async () => {
    const { wire, host, peer } = wired(unixPair(), true)
    host.onBytes = () => wire.destroy()
    peer.send('x'.repeat(100_000))
    peer.end()
    wire.read()
    await turns(5)
    expect([host.text.length, ...host.told]).toEqual([1_024, 'closed'])
  })

  it('is not told what was on its way, nor is who has its number now', async () => {
    const first = wired(tcpPair())
    const second = wired(tcpPair())
    for (const { wire } of [first, second]) wire.read()
    await turns(3)
    const number = second.wire.fd as number
    const { fd, peer } = unixPair()
    let third: ReturnType<typeof wired> | undefined
    // Both are ready in one turn; the first gives the number of the second to a third.
    first.host.onBytes = () => {
      second.wire.destroy()
      if (third !== undefined) return
      third = wired({ fd: libc().fcntl(fd, F_DUPFD_CLOEXEC, 'int', number), peer }, true)
      libc().close(fd)
      third.wire.read()
    }
    first.peer.send('1')
    second.peer.send('2')
    second.peer.end()
    await turns(5)
    expect(third?.wire.fd).toBe(number)
    expect([second.host.text, ...second.host.told]).toEqual(['', 'closed'])
    expect([third?.host.text, ...(third?.host.told ?? [])]).toEqual([''])
    third?.peer.send('3')
    await until(() => third?.host.text === '3')
  })
})

it('leaves unread bytes to the socket that takes its place', async () => {
  const { wire, host, peer } = wired(tcpPair())
  const socket = wire.release()
  onTestFinished(() => void socket.destroy())
  peer.send('for the socket')
  socket.resume()
  expect(String((await once(socket, 'data'))[0])).toBe('for the socket')
  expect(wire.isGone).toBe(true)
  wire.destroy()
  await turns(3)
  expect(host.told).toEqual([])
})
