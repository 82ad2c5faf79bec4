import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { libc } from '../../../lib/accept/native/libc.ts'
import { AF_INET, encodeInternet } from '../../../lib/accept/native/sockaddr.ts'
import { NativeWire } from '../../../lib/accept/stream/native-wire.ts'
import type { Wire, WireHost } from '../../../lib/accept/stream/wire.ts'
import { turns } from '../../support/turns.ts'

const SOCK_STREAM = 1

/** Connections by bare descriptors, and what comes of each at the other end. */
async function far(): Promise<{ connect(): Promise<{ fd: number; other: Socket; got: () => string }> }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = encodeInternet('127.0.0.1', (server.address() as AddressInfo).port)
  return {
    async connect() {
      const fd = libc().socket(AF_INET, SOCK_STREAM, 0)
      expect(libc().connect(fd, address, address.length)).toBe(0)
      const [other] = (await once(server, 'connection')) as [Socket]
      let text = ''
      other.on('data', (chunk) => {
        text += String(chunk)
      })
      other.on('error', () => {})
      onTestFinished(() => void other.destroy())
      return { fd, other, got: () => text }
    }
  }
}

const host: WireHost = {
  discarding: false,
  arrived: () => true,
  discard: () => true,
  inputEnded() {},
  failed() {},
  timedOut() {},
  closed() {}
}

function send(wire: Wire, text: string): void {
  wire.send([Buffer.from(text)], text.length, { sent() {} })
}

it('writes before anything is read, and after', async () => {
  const { connect } = await far()
  const { fd, got, other } = await connect()
  const wire = new NativeWire(fd, host, true)
  send(wire, 'before ')
  wire.read()
  send(wire, 'after')
  while (got() !== 'before after') await turns()
  wire.end(() => {})
  if (!other.readableEnded) await once(other, 'end')
  wire.destroy()
})

it('never writes a number that was closed and is another connection now', async () => {
  const { connect } = await far()
  for (const read of [true, false]) {
    const first = await connect()
    const wire = new NativeWire(first.fd, host, true)
    if (read) wire.read()
    wire.destroy()
    // Only as long as the kernel gives the number out again is anything shown here.
    const second = await connect()
    expect(second.fd).toBe(first.fd)
    send(wire, 'not for you')
    wire.end(() => {})
    wire.read()
    expect(wire.isGone).toBe(true)
    expect(wire.fd).toBe(undefined)
    await turns(5)
    expect(second.got()).toBe('')
    libc().close(second.fd)
  }
})
