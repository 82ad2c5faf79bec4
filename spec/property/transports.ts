import { readdirSync } from 'node:fs'
import { libcMissing } from '../../lib/accept/native/libc.ts'
import { reactor } from '../../lib/accept/native/reactor.ts'
import { type Address, type StreamRequest, TCPServer, UnixStreamServer } from '../../lib/index.ts'
import { dial, temporaryPath } from '../support/peers.ts'
import { type Quieted, quiet } from '../support/quiet.ts'
import { turns } from '../support/turns.ts'
import { dialUnix } from '../support/unix-clients.ts'

/** A server of connections, whatever it listens on. */
export type StreamServer = Quieted<TCPServer | UnixStreamServer>

/** Ways to a server of connections. */
export const transports = {
  'TCP, native': () => quiet(new TCPServer({ backend: 'native' })),
  "TCP, Node's": () => quiet(new TCPServer({ backend: 'node' })),
  'a Unix path, native': () => quiet(new UnixStreamServer({ path: temporaryPath(), backend: 'native' })),
  'a Unix abstract name, native': () => quiet(new UnixStreamServer({ path: `\0${temporaryPath()}`, backend: 'native' }))
} satisfies Record<string, () => StreamServer>

/** The name of one. */
export type Transport = keyof typeof transports

/** A connected client, half-open allowed. */
export async function client(address: Address): Promise<import('node:net').Socket> {
  return address.family === 'unix' && address.path.startsWith('\0') ? dialUnix(address.path) : dial(address)
}

/** The requests of any of them. */
export type AnyRequest = StreamRequest

/** Descriptors that this process has open, the one of the reactor, which stays, included from the first time on. */
export function descriptors(): number {
  if (libcMissing() === undefined) reactor()
  return readdirSync('/proc/self/fd').length
}

/** Descriptors, once there are no more than so many, or when that has not come about for thousands of turns. */
export async function descriptorsDownTo(most: number): Promise<number> {
  for (let i = 0; i < 5_000 && descriptors() > most; i++) await turns()
  return descriptors()
}
