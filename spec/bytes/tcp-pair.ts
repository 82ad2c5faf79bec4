import type { Socket } from 'node:net'
import type { StreamRequest } from '../../lib/accept/stream/stream-request.ts'
import { TCPServer } from '../../lib/server/tcp.ts'
import { dial } from '../support/peers.ts'

/** The two ends of a connection. */
export interface TcpPair extends AsyncDisposable {
  readonly client: Socket
  readonly request: StreamRequest
}

/** A connection whose server end nobody serves. */
export async function tcpPair(): Promise<TcpPair> {
  const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
  const client = await dial(server.address)
  // A reset is an error for the client as well.
  client.on('error', () => {})
  const requests = server.requests({ closeOnReturn: false })
  const { value } = await requests.next()
  await requests.return?.()
  return {
    client,
    request: value as StreamRequest,
    async [Symbol.asyncDispose]() {
      client.destroy()
      await server.close({ deadline: 0 })
    }
  }
}

/** When a request has gone. */
export function gone(request: StreamRequest): Promise<void> {
  return new Promise((resolve) => request.whenClosed(() => resolve()))
}
