import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTLS, type TLSSocket } from 'node:tls'
import { type Address, drain, type Handler, type InternetAddress, parallel, TCPServer } from '../../lib/index.ts'
import { authority, type Identity, identity } from './certificates.ts'

/** A path for a Unix socket that nobody has. */
export function temporaryPath(): string {
  return join(mkdtempSync(join(tmpdir(), 'it-socketserver-')), 'socket')
}

/** A connected client, half-open allowed, so that it sees exactly what the server sends. */
export async function dial(address: Address): Promise<Socket> {
  const target = address.family === 'unix' ? { path: address.path } : { host: address.host, port: address.port }
  const socket = connect({ ...target, allowHalfOpen: true })
  await once(socket, 'connect')
  return socket
}

/** The certificate of localhost, and its key. */
export function certificates(): Identity {
  return identity('localhost')
}

/** Whom the clients trust. */
export function trusted(): ConnectionOptions {
  return { ca: authority().cert, servername: 'localhost', allowHalfOpen: true } as ConnectionOptions
}

/** A client whose TLS handshake is done, half-open allowed. */
export async function dialTLS(address: InternetAddress, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTLS({ ...trusted(), host: address.host, port: address.port, ...options })
  await once(socket, 'secureConnect')
  return socket
}

/** Connect by TLS, send the input, end, and give all that comes back. */
export async function exchangeTLS(
  address: InternetAddress,
  input: string | Buffer,
  options?: ConnectionOptions
): Promise<string> {
  const socket = await dialTLS(address, options)
  socket.end(input)
  return (await received(socket)).toString()
}

/** Connect, send the command, wait for a line, go on by TLS, end, and give all that comes back encrypted. */
export async function exchangeStartTLS(address: Address, command: string): Promise<string> {
  const plain = await dial(address)
  plain.write(command)
  await once(plain, 'data')
  const socket = connectTLS({ ...trusted(), socket: plain })
  await once(socket, 'secureConnect')
  socket.end()
  return (await received(socket)).toString()
}

/** All that a socket gets, to the end. */
export async function received(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Connect, send the input, end, and give all that comes back. */
export async function exchange(address: Address, input: string | Buffer = ''): Promise<string> {
  const socket = await dial(address)
  socket.end(input)
  return (await received(socket)).toString()
}

/** Send one datagram and give the one that comes back. */
export async function exchangeDatagram(address: InternetAddress, input: string | Buffer): Promise<string> {
  const socket = createSocket(address.family === 'IPv6' ? 'udp6' : 'udp4')
  try {
    socket.send(input, address.port, address.host)
    const [reply] = (await once(socket, 'message')) as [Buffer]
    return reply.toString()
  } finally {
    socket.close()
  }
}

/** What a handler answers to the input, over TCP. */
export async function ask(handler: Handler, input: string | Buffer): Promise<string> {
  const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
  const serving = drain(parallel(handler)(server))
  const answer = await exchange(server.address, input)
  await server.close()
  await serving
  return answer
}
