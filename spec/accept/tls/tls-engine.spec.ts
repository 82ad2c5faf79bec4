import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { connect as connectTLS, createServer as createTLSServer, type TLSSocket } from 'node:tls'
import { expect, it } from 'vitest'
import { identity } from '../../support/certificates.ts'
import { certificates, trusted } from '../../support/peers.ts'
import { tls } from '../../support/servers.ts'

it('Node tells which plain socket an encrypted one comes from, also where the handshake fails', async () => {
  const plain = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1')
  const secure = createTLSServer({ ...identity('localhost'), pauseOnConnect: true })
  plain.on('connection', (socket) => secure.emit('connection', socket))
  await once(plain, 'listening')
  const { port } = plain.address() as { port: number }

  const client = connectTLS({ ...trusted(), port, host: '127.0.0.1' })
  const [[raw], [secured]] = (await Promise.all([once(plain, 'connection'), once(secure, 'secureConnection')])) as [
    [Socket],
    [TLSSocket]
  ]
  expect((secured as TLSSocket & { _parent: Socket })._parent).toBe(raw)

  const other = connect(port, '127.0.0.1').on('error', () => {})
  const connected = once(plain, 'connection')
  other.write('plain text, and enough of it to be a record of something')
  const [[, failed], [otherRaw]] = (await Promise.all([once(secure, 'tlsClientError'), connected])) as [
    [Error, TLSSocket],
    [Socket]
  ]
  expect((failed as TLSSocket & { _parent: Socket })._parent).toBe(otherRaw)

  for (const socket of [client, secured, other, failed]) socket.destroy()
  plain.close()
})

it('each of many clients at once gets its own connection', async () => {
  const server = await tls()
  const clients = Array.from({ length: 50 }, () =>
    connectTLS({ ...trusted(), host: '127.0.0.1', port: server.address.port, ...certificates() })
  )
  const ports = new Set<number>()
  const loop = server.requests({ closeOnReturn: false })
  for (const _ of clients) {
    const { value: request } = await loop.next()
    const { port } = request.clientAddress as { port: number }
    expect(await Promise.all([request.detach()])).toMatchObject([{ remotePort: port }])
    ports.add(port)
  }
  expect(ports).toEqual(new Set(clients.map(({ localPort }) => localPort)))
  for (const client of clients) client.destroy()
})
