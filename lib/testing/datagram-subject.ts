import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Address } from '../address.ts'
import type { DroppedEvent } from '../events.ts'
import type { Request } from '../request.ts'
import type { Listener } from '../transport.ts'
import type { AnyListenerSubject } from './listener-cases.ts'
import { type ListenerHost, tested } from './listener-host.ts'
import type { Trial } from './trial.ts'

/** A client of datagrams that has an address. */
export interface DatagramClient {
  /** Where the listener must say that it is; left out where that cannot be told. */
  readonly address?: Address
  /**
   * Send a datagram.
   *
   * @param packet - its bytes
   */
  send(packet: Buffer): unknown
  /** The next datagram that comes back. */
  receive(): Promise<Buffer>
  /** Give its address back. */
  close(): unknown
}

/** A kind of listener of datagrams, for {@link checkDatagramListener}: how one is made and called, and what it can do. */
export interface DatagramListenerSubject extends AnyListenerSubject {
  /**
   * A client with an address of its own.
   *
   * @param listener - what it will send to
   */
  readonly client: (listener: Listener<Request>) => DatagramClient | Promise<DatagramClient>
  /** The largest datagram, and reply, that must come through: 8,192 bytes by default. */
  readonly largest?: number
}

/** A client, closed at the end of its case. */
export async function calling(
  trial: Trial,
  subject: DatagramListenerSubject,
  listener: Listener<Request>
): Promise<
  { send(packet: string | Buffer): Promise<void>; receive(): Promise<Buffer>; close(): Promise<void> } & Pick<
    DatagramClient,
    'address'
  >
> {
  const client = await trial.soon('there is a client', subject.client(listener))
  let open = true
  const close = async (): Promise<void> => {
    if (open) await client.close()
    open = false
  }
  trial.after(close)
  return {
    ...(client.address === undefined ? {} : { address: client.address }),
    send: async (packet) => {
      await trial.soon('a datagram leaves', Promise.resolve(client.send(Buffer.from(packet as string))))
    },
    receive: () => trial.soon('a datagram comes back', client.receive()),
    close
  }
}

/** Datagrams that are dropped, from now on: why, and how large they were. */
export function drops(trial: Trial): string[] {
  const seen: string[] = []
  const heard = (message: unknown): void => {
    const { reason, bytes } = message as DroppedEvent
    seen.push(`${reason}: ${bytes}`)
  }
  subscribe('it-socketserver:dropped', heard)
  trial.after(() => unsubscribe('it-socketserver:dropped', heard))
  return seen
}

/** The input of a datagram. */
export const packetOf = (trial: Trial, request: Request): Promise<Buffer> =>
  trial.soon('the input of a datagram ends', request.rfile.readAll())

/** The same, as text. */
export const textOf = async (trial: Trial, request: Request): Promise<string> =>
  (await packetOf(trial, request)).toString()

/** A listener, with a client. */
export async function both(
  trial: Trial,
  subject: DatagramListenerSubject,
  host: Partial<ListenerHost> = {},
  beforehand: (listener: Listener<Request>) => void = () => {}
) {
  const made = await tested(trial, subject.listener, host)
  beforehand(made.listener)
  await trial.soon('listen() returns', made.listener.listen())
  return { ...made, client: await calling(trial, subject, made.listener) }
}
