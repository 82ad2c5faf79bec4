import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { type InternetAddress, ListenError, type StreamRequest, TCPServer } from '../../lib/index.ts'
import { dial } from '../support/peers.ts'
import { gone } from '../support/servers.ts'

/** Where a server was, that has ended a connection before its client did: the kernel remembers that for a minute. */
async function lingering(reuseAddress?: boolean): Promise<InternetAddress> {
  const options = reuseAddress === undefined ? {} : { reuseAddress }
  const server = await new TCPServer({ backend: 'native', ...options }).listen()
  const { address } = server
  const client = await dial(address)
  const { value } = await server.requests({ closeOnReturn: false }).next()
  const request = value as StreamRequest
  await request.wfile.end('bye')
  client.resume()
  await once(client, 'end')
  client.end()
  await request.close()
  if (!client.closed) await once(client, 'close')
  await gone(request)
  await server.close()
  return address
}

describe('reuseAddress', () => {
  it('binds where connections of before linger, by default', async () => {
    for (const backend of ['native', 'node'] as const) {
      const { port } = await lingering()
      await using server = await new TCPServer({ port, backend }).listen()
      expect(server.address.port).toBe(port)
    }
  })

  it('does not where it is false: the port is in use still', async () => {
    const { port } = await lingering()
    const server = new TCPServer({ port, backend: 'native', reuseAddress: false })
    const error = await server.listen().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ListenError)
    expect(error).toMatchObject({ code: 'EADDRINUSE' })
    await using again = await new TCPServer({ port, backend: 'native', reuseAddress: true }).listen()
    expect(again.address.port).toBe(port)
  })

  it('never takes the port of a server that listens', async () => {
    for (const reuseAddress of [true, false]) {
      await using server = await new TCPServer({ backend: 'native', reuseAddress }).listen()
      const { port } = server.address
      await expect(new TCPServer({ port, backend: 'native' }).listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    }
  })

  it('cannot be false by Node’s own sockets, which says so', () => {
    expect(() => new TCPServer({ backend: 'node', reuseAddress: false })).toThrow(
      new TypeError("Option reuseAddress can't be false here: it needs the backend 'native', as Node always sets it")
    )
    expect(() => new TCPServer({ backend: 'node', reuseAddress: true })).not.toThrow()
  })
})
