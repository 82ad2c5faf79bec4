import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Duplex } from 'node:stream'
import type { Address } from '../address.ts'
import type { RefusedEvent } from '../events.ts'
import type { Request } from '../request.ts'
import type { Listener } from '../transport.ts'
import type { AnyListenerSubject } from './listener-cases.ts'
import type { Trial } from './trial.ts'

/** A kind of listener of connections, for {@link checkStreamListener}: how one is made and called, and what it can do. */
export interface StreamListenerSubject extends AnyListenerSubject {
  /**
   * Connect a client, half-open allowed; rejects where nobody listens, or gives a stream that fails or ends at once.
   *
   * @param listener - what to connect to
   */
  readonly connect: (listener: Listener<Request>) => Duplex | Promise<Duplex>
  /** A client may end and still read: true by default. */
  readonly halfOpen?: boolean
  /** Ends a client's connection by a reset; left out where there is no such thing. */
  readonly reset?: (client: Duplex) => void
  /** Where the listener must say that the client is. */
  readonly addressOf?: (client: Duplex) => Address
}

/** A client, destroyed at the end of its case. */
export async function connected(
  trial: Trial,
  subject: StreamListenerSubject,
  listener: Listener<Request>
): Promise<Duplex> {
  const client = await trial.soon('a client connects', subject.connect(listener))
  client.on('error', () => {})
  trial.after(() => client.destroy())
  return client
}

/** Several, one after the other, each of which has written its number and ended. */
export async function numbered(
  trial: Trial,
  subject: StreamListenerSubject,
  listener: Listener<Request>,
  many: number
): Promise<Duplex[]> {
  const clients: Duplex[] = []
  for (let i = 0; i < many; i++) {
    const client = await connected(trial, subject, listener)
    client.write(`${i}\n`)
    clients.push(client)
  }
  return clients
}

/** The number that a client has written. */
export async function numberOf(trial: Trial, request: Request): Promise<number> {
  return Number(await trial.soon('a line is read', request.rfile.readLine()))
}

/** All that a client gets, to the end or the error that ends it. */
export async function received(trial: Trial, client: Duplex, times = 1): Promise<Buffer> {
  const chunks: Buffer[] = []
  const over = new Promise<void>((resolve) => {
    if (client.destroyed || client.readableEnded) resolve()
    client.on('data', (chunk: Buffer) => chunks.push(chunk))
    client.once('end', resolve)
    client.once('close', resolve)
  })
  await trial.soon('a client sees the end of its connection', over, times)
  return Buffer.concat(chunks)
}

/** Why connections are refused, from now on. */
export function refusals(trial: Trial): string[] {
  const reasons: string[] = []
  const heard = (message: unknown): void => void reasons.push((message as RefusedEvent).reason)
  subscribe('it-socketserver:refused', heard)
  trial.after(() => unsubscribe('it-socketserver:refused', heard))
  return reasons
}
