import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { InternetAddress } from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import type { DatagramClient, MemoryDatagramListener } from '../../lib/testing/entry.ts'

/** What has come and nobody has asked for, and who has asked for what has not come. */
export class Inbox {
  readonly #come: Buffer[] = []
  readonly #asking: ((packet: Buffer) => void)[] = []

  put(packet: Buffer): void {
    const asking = this.#asking.shift()
    if (asking === undefined) this.#come.push(packet)
    else asking(packet)
  }

  take(): Promise<Buffer> {
    const { promise, resolve } = deferred<Buffer>()
    const packet = this.#come.shift()
    if (packet === undefined) this.#asking.push(resolve)
    else resolve(packet)
    return promise
  }
}

/** A client of a UDP server. */
export async function udpClient(target: InternetAddress): Promise<DatagramClient> {
  const socket = createSocket(target.family === 'IPv6' ? 'udp6' : 'udp4')
  const inbox = new Inbox()
  socket.on('message', (packet) => inbox.put(packet))
  socket.bind(0, target.host)
  await once(socket, 'listening')
  const { port } = socket.address()
  return {
    address: { ...target, port },
    send: (packet) =>
      new Promise<void>((resolve, reject) => {
        socket.send(packet, target.port, target.host, (error) => (error === null ? resolve() : reject(error)))
      }),
    receive: () => inbox.take(),
    close: () => new Promise<void>((resolve) => socket.close(() => resolve()))
  }
}

/** A client of a memory server. */
export function memoryDatagramClient(listener: MemoryDatagramListener): DatagramClient {
  const inbox = new Inbox()
  return {
    address: { family: 'unix', path: '' },
    send(packet) {
      void listener.send(packet).then((reply) => {
        if (reply !== undefined) inbox.put(reply)
      })
    },
    receive: () => inbox.take(),
    close() {}
  }
}
