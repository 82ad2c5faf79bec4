import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTLS, type TLSSocket } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { BusyError, ClosedError, type HandshakeEvent, type StreamRequest, type TLSOptions } from '../../../lib/index.ts'
import { MemoryServer } from '../../../lib/testing/entry.ts'
import { authority, identity } from '../../support/certificates.ts'
import { overhear, settled } from '../../support/events.ts'
import { certificates, dial, dialTLS, received, trusted } from '../../support/peers.ts'
import { gone, tcp, tls, unix } from '../../support/servers.ts'
import { turns } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

const MiB = 1024 * 1024
const options: TLSOptions = certificates()
const patient: TLSOptions = { ...certificates(), handshakeTimeout: Number.POSITIVE_INFINITY }

/** A client, and the request that it is to a server. */
async function meet(server: Awaited<ReturnType<typeof tcp | typeof unix>>): Promise<[Socket, StreamRequest]> {
  const loop = server.requests({ closeOnReturn: false })
  const [client, { value }] = await Promise.all([dial(server.address), loop.next()])
  onTestFinished(() => void client.destroy())
  client.on('error', () => {})
  return [client, value as StreamRequest]
}

async function secure(client: Socket): Promise<TLSSocket> {
  const secured = connectTLS({ ...trusted(), socket: client })
  await once(secured, 'secureConnect')
  return secured
}

/** The first message of a TLS client. */
async function clientHello(): Promise<Buffer> {
  const hello = new Promise<Buffer>((resolve) => {
    const carrier = new Duplex({ read: () => {}, write: (bytes: Buffer) => resolve(bytes) })
    connectTLS({ ...trusted(), socket: carrier }).on('error', () => {})
  })
  return hello
}

/** It fails as a handshake does, and the request with it. */
async function checkFailure(starting: Promise<void>, request: StreamRequest, words: RegExp): Promise<void> {
  const error = await starting.then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  expect(error).toMatchObject({ name: 'AbortedError', cause: 'handshake', message: expect.stringMatching(words) })
  expect(request.abortReason).toBe(error)
  await expect(request.rfile.read()).rejects.toBe(error)
  await expect(request.wfile.write('x')).rejects.toBe(error)
  await gone(request)
}

describe('startTLS', () => {
  for (const [where, listen] of Object.entries({ TCP: tcp, Unix: unix })) {
    it(`goes on encrypted, by the same rfile and wfile: ${where}`, async () => {
      using ended = overhear<HandshakeEvent>('handshake')
      const [client, request] = await meet(await listen())
      const { rfile, wfile } = request
      client.write('STARTTLS\n')
      expect((await rfile.readLine())?.toString()).toBe('STARTTLS\n')
      void wfile.write('go ahead\n')
      const starting = request.startTLS(options)
      const read = rfile.readLine()
      void wfile.write('held ')
      const flushed = wfile.flush()
      const [plain] = (await once(client, 'data')) as [Buffer]
      expect(plain.toString()).toBe('go ahead\n')
      expect(await Promise.all([settled(read), settled(flushed)])).toEqual([false, false])
      const secured = await secure(client)
      await starting
      expect(request).toMatchObject({ encrypted: true, servername: 'localhost', tlsVersion: 'TLSv1.3' })
      expect(request.rfile).toBe(rfile)
      expect(request.wfile).toBe(wfile)
      await flushed
      secured.end('secret\nand more')
      expect((await read)?.toString()).toBe('secret\n')
      expect((await rfile.readAll()).toString()).toBe('and more')
      await wfile.write('and sent')
      await request.close()
      expect((await received(secured)).toString()).toBe('held and sent')
      const { server, clientAddress } = request
      expect(ended.messages).toEqual([{ server, clientAddress, elapsed: expect.any(Number) }])
      expect(request).toMatchObject({ bytesIn: 24, bytesOut: 22 })
    })
  }

  it('sends much that was written before, in plain text, and then much that is encrypted', async () => {
    const [client, request] = await meet(await tcp())
    const before = Buffer.alloc(10 * MiB, 'b')
    const after = Buffer.alloc(10 * MiB, 'a')
    void request.wfile.write(before.subarray(0, MiB))
    // The first of it is on its way when the rest is written.
    await turns(2)
    void request.wfile.write(before.subarray(MiB))
    const starting = request.startTLS(patient)
    void request.wfile.end(after)
    let plain = 0
    client.on('data', (bytes: Buffer) => {
      expect(bytes.every((byte) => byte === 98)).toBe(true)
      plain += bytes.length
    })
    while (plain < before.length) await once(client, 'data')
    client.removeAllListeners('data')
    const secured = await secure(client)
    await starting
    expect(after.equals(await received(secured))).toBe(true)
  })

  it('holds a client to its timeout and noDelay as before', async () => {
    const [client, request] = await meet(await tcp())
    request.configure({ timeout: 40, noDelay: true })
    const starting = request.startTLS(options)
    await secure(client)
    await starting
    await expect(request.rfile.read()).rejects.toMatchObject({ cause: 'timeout' })
  })

  it('holds a client that does not read to its timeout', async () => {
    const [client, request] = await meet(await tcp())
    request.configure({ timeout: 40 })
    const starting = request.startTLS(options)
    await secure(client)
    await starting
    await expect(request.wfile.write(Buffer.alloc(15 * MiB))).rejects.toMatchObject({ cause: 'timeout' })
  })

  it("asks for the client's certificate where it is told to", async () => {
    const [client, request] = await meet(await tcp())
    const starting = request.startTLS({ ...options, requestCert: true, ca: authority().cert })
    connectTLS({ ...trusted(), ...identity('client'), socket: client })
    await starting
    expect(request.authorized).toBe(true)
    expect(request.peerCertificate?.subject.CN).toBe('client')
    await request.close()
  })

  it('gives the encrypted socket to detach(), where nothing else was read or written', async () => {
    const [client, request] = await meet(await tcp())
    const starting = request.startTLS(options)
    expect(() => request.detach()).toThrow(BusyError)
    const secured = await secure(client)
    await starting
    request.detach().end('detached')
    expect((await received(secured)).toString()).toBe('detached')
  })

  it('may be called again by nobody', async () => {
    const [client, request] = await meet(await tcp())
    const starting = request.startTLS(options)
    await expect(request.startTLS(options)).rejects.toThrow(BusyError)
    await secure(client)
    await starting
    await expect(request.startTLS(options)).rejects.toThrow(/encrypted already/)
    expect(request.abortReason).toBe(undefined)
    await request.close()
    await expect(request.startTLS(options)).rejects.toThrow(ClosedError)
  })

  it('is not for a connection of a TLS server', async () => {
    const server = await tls()
    const loop = server.requests({ closeOnReturn: false })
    const [client, { value: request }] = await Promise.all([dialTLS(server.address), loop.next()])
    await expect((request as StreamRequest).startTLS(options)).rejects.toThrow(BusyError)
    client.destroy()
  })

  it('is not for a connection that is no socket', async () => {
    const server = await new MemoryServer({}, (request) => request.startTLS(options)).listen()
    const outcome = server.handleRequest()
    server.handleError = () => {}
    const client = server.connect()
    const reason: unknown = expect.objectContaining({
      message: expect.stringContaining('only sockets can be encrypted')
    })
    expect(await outcome).toMatchObject({ status: 'rejected', reason })
    client.destroy()
    await server.close()
  })

  it('is refused while a read waits, after the end, and for wrong options: the request goes on', async () => {
    const [client, request] = await meet(await tcp())
    const read = request.rfile.readLine()
    await expect(request.startTLS(options)).rejects.toThrow(/a read is waiting/)
    client.write('line\n')
    expect((await read)?.toString()).toBe('line\n')
    await expect(request.startTLS({})).rejects.toThrow(/^startTLS needs a certificate/)
    await expect(request.startTLS({ port: 1 } as object)).rejects.toThrow(/startTLS has no option port/)
    await request.wfile.end('well')
    await expect(request.startTLS(options)).rejects.toThrow(ClosedError)
    expect((await received(client)).toString()).toBe('well')
    await request.close()
  })
})

describe('bytes that were taken away before they were sent', () => {
  for (const backend of ['auto', 'node'] as const) {
    for (const sizes of [[10], [10, 20], [20_000, 20_000]]) {
      const given = async (): Promise<[StreamRequest, Promise<void>[]]> => {
        const [, request] = await meet(await tcp({ backend }))
        const bytes = sizes.map((size) => new Uint8Array(size))
        const written = bytes.map((chunk) => request.wfile.write(chunk))
        structuredClone(bytes, { transfer: bytes.map(({ buffer }) => buffer) })
        return [request, written]
      }

      it(`abort the request: ${sizes.join()} by ${backend}`, async () => {
        const [request, written] = await given()
        await Promise.all(written)
        const error = await request.wfile.flush().catch((thrown: unknown) => thrown)
        expect(error).toMatchObject({ name: 'AbortedError', message: expect.stringContaining('were taken away') })
        expect(request.abortReason).toBe(error)
        await expect(request.startTLS(patient)).rejects.toBe(error)
        await gone(request)
      })

      it(`end its startTLS: ${sizes.join()} by ${backend}`, async () => {
        const [request, written] = await given()
        await expect(request.startTLS(patient)).rejects.toThrow(/were taken away/)
        await Promise.allSettled(written)
        await gone(request)
      })
    }
  }
})

describe('bytes behind STARTTLS', () => {
  const behind = async (bytes: Buffer | string, sofar: 'read' | 'unread'): Promise<[Socket, StreamRequest]> => {
    const [client, request] = await meet(await tcp())
    if (sofar === 'read') {
      client.write(Buffer.concat([Buffer.from('STARTTLS\n'), Buffer.from(bytes)]))
      await request.rfile.peek(9 + bytes.length)
      await request.rfile.readLine()
    } else {
      client.write('STARTTLS\n')
      await request.rfile.readLine()
      client.write(bytes)
      await turns(5)
    }
    return [client, request]
  }

  for (const sofar of ['read', 'unread'] as const) {
    it(`of plain text are refused: ${sofar}`, async () => {
      const [client, request] = await behind('RSET\n', sofar)
      const starting = request.startTLS(patient)
      await checkFailure(starting, request, sofar === 'read' ? /5 bytes of plain text came behind/ : /handshake/)
      expect((await received(client).catch(() => Buffer.alloc(0))).toString()).toBe('')
    })

    it(`that begin the handshake are part of it: ${sofar}`, async () => {
      const hello = await clientHello()
      const [client, request] = await behind(hello, sofar)
      const starting = request.startTLS({ ...patient, handshakeTimeout: 5_000 })
      // The answer is the server's first message, which needs all of the client's.
      const [answer] = (await once(client, 'data')) as [Buffer]
      expect(answer[0]).toBe(0x16)
      client.end()
      await checkFailure(starting, request, /handshake/)
    })
  }

  for (const what of ['plain text', 'the handshake']) {
    it(`that lie in the socket, where the reader is full: ${what}`, async () => {
      const [client, request] = await meet(await tcp())
      const behindIt = what === 'plain text' ? Buffer.from('RSET\nNOOP\n') : await clientHello()
      request.configure({ readHighWaterMark: 1 })
      client.write(Buffer.concat([Buffer.from('STARTTLS\n'), behindIt.subarray(0, 5)]))
      await request.rfile.peek(14)
      client.write(behindIt.subarray(5))
      await turns(5)
      await request.rfile.readLine()
      expect(request.rfile.length).toBe(5)
      const starting = request.startTLS({ ...patient, handshakeTimeout: 5_000 })
      if (what === 'plain text') await checkFailure(starting, request, /plain text/)
      else {
        const [answer] = (await once(client, 'data')) as [Buffer]
        expect(answer[0]).toBe(0x16)
        client.end()
        await checkFailure(starting, request, /handshake/)
      }
    })
  }

  it('that lie in the socket alone are looked at too', async () => {
    const [client, request] = await meet(await tcp({ backend: 'node' }))
    request.configure({ readHighWaterMark: 1 })
    client.write('STARTTLS\n')
    await request.rfile.peek(9)
    client.write('RSET\n')
    await turns(5)
    expect((await request.rfile.readExactly(9))?.length).toBe(9)
    await checkFailure(request.startTLS(patient), request, /5 bytes of plain text/)
  })

  it('that are plain text in front of a whole handshake never come out encrypted', async () => {
    const [client, request] = await behind('RSET\n', 'read')
    const starting = request.startTLS(patient)
    const injected = request.rfile.read()
    client.write(await clientHello())
    await expect(injected).rejects.toMatchObject({ cause: 'handshake' })
    await checkFailure(starting, request, /plain text/)
  })

  it('that an early client sends before it is asked make a connection', async () => {
    const [client, request] = await meet(await tcp())
    client.write('STARTTLS\n')
    const secured = connectTLS({ ...trusted(), socket: client })
    await request.rfile.peek(200)
    expect((await request.rfile.readLine())?.toString()).toBe('STARTTLS\n')
    await request.startTLS(patient)
    secured.end('early')
    expect((await request.rfile.readAll()).toString()).toBe('early')
    await request.close()
  })

  it('may be looked at: TLS and plain text on one port', async () => {
    const [client, request] = await meet(await tcp())
    const connecting = secure(client)
    expect((await request.rfile.peek(1))[0]).toBe(0x16)
    await request.startTLS(patient)
    ;(await connecting).end('peeked')
    expect((await request.rfile.readAll()).toString()).toBe('peeked')
    await request.close()
  })
})

describe('a handshake that fails', () => {
  it('by plain text', async () => {
    const [client, request] = await meet(await tcp())
    const starting = request.startTLS(patient)
    await turns(3)
    client.write('HELO localhost\r\n')
    await checkFailure(starting, request, /handshake failed/)
  })

  it('by its deadline', async () => {
    using ended = overhear<HandshakeEvent>('handshake')
    const [, request] = await meet(await tcp())
    await checkFailure(request.startTLS({ ...options, handshakeTimeout: 30 }), request, /timeout/)
    expect(ended.messages).toMatchObject([{ error: { cause: 'handshake' } }])
  })

  it('by its deadline, as the client does not read what was written before', async () => {
    const [client, request] = await meet(await tcp())
    client.pause()
    void request.wfile.write(Buffer.alloc(15 * MiB))
    await checkFailure(request.startTLS({ ...options, handshakeTimeout: 30 }), request, /has not left for 30 ms/)
  })

  for (const how of ['resets', 'ends'] as const) {
    it(`as the client ${how} meanwhile`, async () => {
      const [client, request] = await meet(await tcp())
      const starting = request.startTLS(patient)
      await turns(3)
      if (how === 'ends') client.end()
      else client.resetAndDestroy()
      await checkFailure(starting, request, /handshake failed/)
    })
  }

  it('as the client resets before it has read what was written before', async () => {
    const [client, request] = await meet(await tcp())
    client.pause()
    void request.wfile.write(Buffer.alloc(15 * MiB))
    const starting = request.startTLS(patient)
    await turns(3)
    client.resetAndDestroy()
    await checkFailure(starting, request, /handshake failed/)
  })

  it('as the client has ended before', async () => {
    const [client, request] = await meet(await tcp())
    client.end('STARTTLS\n')
    await request.rfile.readLine()
    expect(await request.rfile.read()).toBe(undefined)
    await expect(request.startTLS(patient)).rejects.toMatchObject({
      cause: 'handshake',
      message: expect.stringContaining('the client has ended its output')
    })
    await gone(request)
  })

  it("as the client's certificate is not accepted", async () => {
    const [client, request] = await meet(await tcp())
    const starting = request.startTLS({ ...patient, requestCert: true, ca: authority().cert })
    connectTLS({ ...trusted(), ...identity('client', 'other'), socket: client }).on('error', () => {})
    await checkFailure(starting, request, /certificate was not accepted/)
  })

  it('rejects what was held back', async () => {
    const [client, request] = await meet(await tcp())
    const starting = request.startTLS(patient)
    const flushed = request.wfile.write('secret').then(() => request.wfile.flush())
    await turns(3)
    client.write('plain')
    await expect(flushed).rejects.toMatchObject({ cause: 'handshake' })
    await checkFailure(starting, request, /handshake/)
    expect((await received(client).catch(() => Buffer.alloc(0))).includes('secret')).toBe(false)
  })
})

describe('in the middle of the handshake', () => {
  const begun = async (): Promise<[Socket, StreamRequest, Promise<void>]> => {
    const [client, request] = await meet(await tcp())
    const starting = request.startTLS(patient)
    await turns(3)
    return [client, request, starting]
  }

  it('close() ends it', async () => {
    const [client, request, starting] = await begun()
    await request.close()
    await checkFailure(starting, request, /closed in the middle/)
    expect((await received(client)).length).toBe(0)
  })

  it('close() ends it, and tells of what was held back', async () => {
    const [, request, starting] = await begun()
    void request.wfile.write('secret')
    await expect(request.close()).rejects.toMatchObject({ cause: 'handshake' })
    await checkFailure(starting, request, /closed in the middle/)
  })

  it('abort() ends it, with its own cause', async () => {
    const [client, request, starting] = await begun()
    request.abort(new Error('enough'))
    await expect(starting).rejects.toMatchObject({ cause: 'server-error', message: expect.stringContaining('enough') })
    await gone(request)
    expect((await received(client).catch(() => Buffer.alloc(0))).length).toBe(0)
  })

  it("the server's deadline ends it", async () => {
    const server = await tcp()
    let starting: Promise<void> | undefined
    const outcome = server.handleRequest((request: StreamRequest) => {
      starting = request.startTLS(patient)
      return starting
    })
    const client = await dial(server.address)
    while (starting === undefined) await turns()
    await turns(3)
    const report = await server.close({ deadline: 5 })
    expect(report).toMatchObject({ aborted: 1 })
    await expect(starting).rejects.toMatchObject({ cause: 'deadline' })
    expect(await outcome).toMatchObject({ status: 'aborted', reason: { cause: 'deadline' } })
    client.destroy()
  })

  it('a handler that did not wait ends it', async () => {
    const server = await tcp()
    const outcome = server.handleRequest((request: StreamRequest) => {
      void request.startTLS(patient)
    })
    const client = await dial(server.address)
    expect((await received(client)).length).toBe(0)
    client.destroy()
    expect((await outcome)?.request.abortReason).toMatchObject({ cause: 'handshake' })
  })
})
