import type { Address } from '../address.ts'
import type { Request } from '../request.ts'
import type { Listener } from '../transport.ts'
import type { AnyListenerSubject } from './listener-cases.ts'
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
  /** What nobody asks for stays outside (in the kernel): `maxPending` does not bound it. False by default. */
  readonly onDemand?: boolean
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
