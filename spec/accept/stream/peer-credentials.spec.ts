import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import {
  ClosedError,
  NotSupportedError,
  type StreamRequest,
  TLSServer,
  UnixStreamServer,
  type UnixStreamServerOptions
} from '../../../lib/index.ts'
import { MemoryServer } from '../../../lib/testing/entry.ts'
import { startProgram } from '../../support/live-child.ts'
import { certificates, dial, dialTLS, exchangeStartTLS, temporaryPath } from '../../support/peers.ts'
import { QuietUnixStreamServer } from '../../support/quiet.ts'
import { gone, tcp } from '../../support/servers.ts'
import { turns } from '../../support/turns.ts'

const isRoot = process.getuid?.() === 0
const me = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() }

async function listening(options: Partial<UnixStreamServerOptions> = {}): Promise<UnixStreamServer> {
  return await new QuietUnixStreamServer({ path: temporaryPath(), backend: 'native', ...options }).listen()
}

async function taken(server: UnixStreamServer): Promise<StreamRequest> {
  const { value } = await server.requests({ closeOnReturn: false }).next()
  return value as StreamRequest
}

const python = `
import os, socket, sys
name, uid = sys.argv[1], int(sys.argv[2])
if uid > 0:
    os.setgid(uid - 1)
    os.setuid(uid)
peer = socket.socket(socket.AF_UNIX)
peer.connect(name.replace('@', chr(0)))
print(os.getpid(), flush=True)
sys.stdin.readline()
`

describe('the credentials of a Unix peer', () => {
  it('are those of the process that has connected', async () => {
    await using server = await listening()
    const client = startProgram('python3', ['-c', python, server.address.path, '0'])
    const request = await taken(server)
    const pid = Number(await client.line())
    expect(pid).not.toBe(process.pid)
    expect(request.peerCredentials).toEqual({ ...me, pid })
    await client.kill()
    await request.close()
    const socat = startProgram('socat', ['-', `UNIX-CONNECT:${server.address.path}`])
    const other = await taken(server)
    expect(other.peerCredentials).toEqual({ ...me, pid: socat.pid })
    await other.close()
  })

  it.skipIf(!isRoot)('are those of another user, at an abstract name', async () => {
    const path = `\0${temporaryPath()}`
    await using server = await listening({ path })
    const client = startProgram('python3', ['-c', python, path.replace('\0', '@'), '65534'])
    const request = await taken(server)
    const pid = Number(await client.line())
    expect(request.peerCredentials).toEqual({ pid, uid: 65_534, gid: 65_533 })
    await client.kill()
    await request.close()
  })

  it('are the same while it is a bare descriptor, after a read and a write, and after the peer has ended', async () => {
    await using server = await listening()
    const client = await dial(server.address)
    const request = await taken(server)
    expect(request.peerCredentials).toEqual(me)
    // Nobody has made a socket for the question.
    expect(request.detach().bytesRead).toBe(0)
    client.destroy()

    const second = await dial(server.address)
    const used = await taken(server)
    second.end('line\n')
    expect(String(await used.rfile.readLine())).toBe('line\n')
    await used.wfile.write('answer')
    await used.wfile.flush()
    expect(await used.rfile.read()).toBe(undefined)
    expect(used.peerCredentials).toEqual(me)
    await used.close()
    second.destroy()
  })

  it('are there in verifyRequest', async () => {
    class Mine extends QuietUnixStreamServer {
      override verifyRequest({ peerCredentials }: StreamRequest): boolean {
        return peerCredentials?.pid === process.pid
      }
    }
    await using server = await new Mine({ path: temporaryPath(), backend: 'native' }).listen()
    const stranger = startProgram('python3', ['-c', python, server.address.path, '0'])
    await stranger.line()
    const client = await dial(server.address)
    const request = await taken(server)
    expect(server.stats()).toMatchObject({ accepted: 2, refused: 1 })
    await request.close()
    client.destroy()
    await stranger.kill()
  })

  it('are there after the close where they were asked for before, and a ClosedError otherwise', async () => {
    await using server = await listening()
    for (const asked of [true, false]) {
      for (const end of ['close', 'abort', 'detach'] as const) {
        const client = await dial(server.address)
        const request = await taken(server)
        if (asked) expect(request.peerCredentials).toEqual(me)
        let socket: Socket | undefined
        if (end === 'detach') socket = request.detach()
        else if (end === 'abort') request.abort()
        else {
          client.end()
          await request.close()
          await gone(request)
        }
        // Whose number it is now.
        const next = await dial(server.address)
        const after = await taken(server)
        if (asked) expect(request.peerCredentials).toEqual(me)
        else expect(() => request.peerCredentials).toThrow(ClosedError)
        await after.close()
        for (const each of [client, next, socket]) each?.destroy()
      }
    }
  })

  it('are never those of another client whose connection has got the number', async () => {
    await using server = await listening()
    const client = startProgram('python3', ['-c', python, server.address.path, '0'])
    await client.line()
    const first = await taken(server)
    first.rfile.read().catch(() => {})
    first.abort()
    expect(() => first.peerCredentials).toThrow(ClosedError)
    const mine = await dial(server.address)
    const second = await taken(server)
    expect(() => first.peerCredentials).toThrow(ClosedError)
    expect(second.peerCredentials).toEqual(me)
    await second.close()
    mine.destroy()
  })

  it('are still known after startTLS', async () => {
    const options = certificates()
    const seen: unknown[] = []
    await using server = await new UnixStreamServer({ path: temporaryPath(), backend: 'native' }, async (request) => {
      await request.rfile.readLine()
      await request.wfile.write('go ahead\n')
      await request.startTLS(options)
      seen.push(request.encrypted, request.peerCredentials)
    }).listen()
    const serving = server.serveForever()
    await exchangeStartTLS(server.address, 'STARTTLS\n')
    expect(seen).toEqual([true, me])
    await server.close()
    await serving
  })
})

describe('no credentials', () => {
  it('are undefined of a TCP connection, by either backend, and of TLS', async () => {
    for (const backend of ['native', 'node'] as const) {
      const server = await tcp({ backend })
      const client = await dial(server.address)
      const { value } = await server.requests({ closeOnReturn: false }).next()
      expect((value as StreamRequest).peerCredentials).toBe(undefined)
      await (value as StreamRequest).close()
      expect((value as StreamRequest).peerCredentials).toBe(undefined)
      client.destroy()
    }
    await using server = await new TLSServer(certificates()).listen()
    const client = dialTLS(server.address)
    const { value } = await server.requests({ closeOnReturn: false }).next()
    expect((value as StreamRequest).peerCredentials).toBe(undefined)
    void (value as StreamRequest).close()
    const socket = await client
    socket.resume()
    if (!socket.readableEnded) await once(socket, 'end')
    socket.destroy()
  })

  it('are a NotSupportedError that says what to do, by Node’s own sockets and in memory', async () => {
    await using server = await listening({ backend: 'node' })
    const client = await dial(server.address)
    const request = await taken(server)
    expect(() => request.peerCredentials).toThrow(NotSupportedError)
    expect(() => request.peerCredentials).toThrow(/backend 'native'.*Linux.*koffi/)
    try {
      void request.peerCredentials
    } catch (error) {
      expect(error).toMatchObject({ name: 'NotSupportedError', code: 'ERR_NOT_SUPPORTED' })
    }
    await request.close()
    client.destroy()

    await using memory = await new MemoryServer().listen()
    const stream = memory.connect()
    const { value } = await memory.requests({ closeOnReturn: false }).next()
    expect(() => (value as StreamRequest).peerCredentials).toThrow(NotSupportedError)
    await (value as StreamRequest).close()
    stream.destroy()
    await turns()
  })
})
