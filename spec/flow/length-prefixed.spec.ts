import * as lp from 'it-length-prefixed'
import { describe, expect, it } from 'vitest'
import { drain, type FrameCodec, framed, parallel } from '../../lib/index.ts'
import { dial, exchange, received } from '../support/peers.ts'
import { unix } from '../support/servers.ts'
import { turns } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'
import { echo, serving } from './frames.ts'

checkNothingUnhandled()

const codec = { decode: lp.decode, encode: lp.encode.single }

function encoded(...messages: Buffer[]): Buffer {
  return Buffer.concat([...lp.encode(messages)])
}

describe('framed, with it-length-prefixed', () => {
  it('works both ways, a byte at a time', async () => {
    const { server } = await serving(echo, { codec })
    const bytes = encoded(Buffer.alloc(0), Buffer.from('one'), Buffer.alloc(300, 'x'))
    const client = await dial(server.address)
    client.setNoDelay(true)
    const replies = received(client)
    for (const byte of bytes) {
      client.write(Buffer.of(byte))
      await turns()
    }
    client.end()
    expect(await replies).toEqual(bytes)
    await server.close()
    expect(server.errors).toEqual([])
  })

  it('works with messages of any size', async () => {
    const { server } = await serving(echo, { codec })
    const bytes = encoded(Buffer.from('one'), Buffer.alloc(200_000, 'y'), Buffer.alloc(0), Buffer.from('two'))
    const client = await dial(server.address)
    client.end(bytes)
    expect((await received(client)).equals(bytes)).toBe(true)
    await server.close()
  })

  it('ends a connection with a frame that is too long, or that ends in the middle', async () => {
    const short: FrameCodec = {
      decode: (rfile) => lp.decode(rfile, { maxDataLength: 10 }),
      encode: (message) => lp.encode.single(message)
    }
    const { server } = await serving(echo, { codec: short })
    const good = encoded(Buffer.from('good'))
    expect(await exchange(server.address, Buffer.concat([good, encoded(Buffer.alloc(11))]))).toBe(good.toString())
    expect(await exchange(server.address, Buffer.concat([good, good.subarray(0, 3)]))).toBe(good.toString())
    expect(server.errors).toMatchObject([{ name: 'InvalidDataLengthError' }, { name: 'UnexpectedEOFError' }])
    await server.close()
    expect(server.stats()).toMatchObject({ served: 2, failed: 0 })
  })

  it('works over a Unix socket too', async () => {
    const server = await unix()
    const serve = drain(parallel(echo)(framed(codec)(server)))
    const bytes = encoded(Buffer.from('a'), Buffer.from('b'))
    expect(await exchange(server.address, bytes)).toBe(bytes.toString())
    await server.close()
    await serve
  })
})
