import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTLS } from 'node:tls'
import type { Address } from '../../lib/index.ts'
import { dial, received, trusted } from './peers.ts'
import { turns } from './turns.ts'

/** How a proxy sends its header. */
export type Sending = 'at once' | 'before' | 'byte by byte'

export const sendings: readonly Sending[] = ['at once', 'before', 'byte by byte']

async function dripped(socket: Socket, bytes: Buffer): Promise<void> {
  socket.setNoDelay(true)
  for (const byte of bytes) {
    await new Promise((resolve) => socket.write(Buffer.from([byte]), resolve))
    await turns(2)
  }
}

/** Connect, send a header and then the input, end, and give all that comes back. */
export async function exchangeProxied(
  address: Address,
  header: Buffer | string,
  input: string,
  sending: Sending = 'at once'
): Promise<string> {
  const socket = await dial(address)
  if (sending === 'at once') socket.end(Buffer.concat([Buffer.from(header), Buffer.from(input)]))
  else {
    if (sending === 'before') await new Promise((resolve) => socket.write(header, resolve))
    else await dripped(socket, Buffer.from(header))
    await turns(2)
    socket.end(input)
  }
  return (await received(socket)).toString()
}

/** A stream over a socket that puts bytes before the first that is written. */
function prefixed(socket: Socket, header: Buffer): Duplex {
  let prefix = header
  const stream = new Duplex({
    read: () => void socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      socket.write(Buffer.concat([prefix, chunk]), done)
      prefix = Buffer.alloc(0)
    },
    final: (done) => void socket.end(done),
    destroy(error, done) {
      socket.destroy()
      done(error)
    }
  })
  socket.on('data', (chunk: Buffer) => stream.push(chunk)).on('end', () => stream.push(null))
  socket.on('error', (error) => stream.destroy(error))
  return stream
}

/** The same by TLS, behind the header. */
export async function exchangeProxiedTLS(
  address: Address,
  header: Buffer | string,
  input: string,
  sending: Sending = 'at once'
): Promise<string> {
  const plain = await dial(address)
  if (sending === 'before') await new Promise((resolve) => plain.write(header, resolve))
  else if (sending === 'byte by byte') await dripped(plain, Buffer.from(header))
  const prefix = sending === 'at once' ? Buffer.from(header) : Buffer.alloc(0)
  const secured = connectTLS({ ...trusted(), socket: prefixed(plain, prefix) })
  await once(secured, 'secureConnect')
  secured.end(input)
  return (await received(secured)).toString()
}

/** The server has closed it, or reset it. */
export async function closed(socket: Socket): Promise<void> {
  socket.on('error', () => {}).resume()
  if (socket.closed || socket.readableEnded) return
  await new Promise<void>((resolve) => {
    socket.on('end', resolve).on('close', () => resolve())
  })
}
