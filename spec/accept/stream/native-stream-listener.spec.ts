import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { libc } from '../../../lib/accept/native/libc.ts'
import { OnDemand } from '../../../lib/accept/native/on-demand.ts'
import { AF_INET, encodeInternet } from '../../../lib/accept/native/sockaddr.ts'
import { SOCK_STREAM } from '../../../lib/accept/native/socket-type.ts'
import { type StreamRequest, sequential, type TCPServer } from '../../../lib/index.ts'
import { deferred } from '../../../lib/iterator/deferred.ts'
import { runChild } from '../../support/child.ts'
import { dial, exchange, received } from '../../support/peers.ts'
import { gone, tcp, unix } from '../../support/servers.ts'
import { turns } from '../../support/turns.ts'

const native = { backend: 'native' } as const

/** Connections that the kernel holds for a server, as `ss` shows them. */
function backlogOf({ address }: TCPServer): number {
  const line = execFileSync('ss', ['-ltnH', `sport = :${address.port}`], { encoding: 'utf8' })
  return Number(line.trim().split(/\s+/)[1])
}

async function taken(server: TCPServer): Promise<StreamRequest> {
  const { value } = await server.requests({ closeOnReturn: false }).next()
  return value as StreamRequest
}

/** A client that is connected before anything else happens. */
function dialAtOnce({ address: { host, port } }: TCPServer): Socket {
  const fd = libc().socket(AF_INET, SOCK_STREAM, 0)
  const where = encodeInternet(host, port)
  expect(libc().connect(fd, where, where.length)).toBe(0)
  return new Socket({ fd })
}

describe('what nobody asks for', () => {
  it('stays in the backlog of the kernel, and is served in its order', async () => {
    const server = await tcp(native)
    const gate = deferred<void>()
    const seen: string[] = []
    const serving = (async () => {
      const handler = async (request: StreamRequest): Promise<void> => {
        seen.push(String(await request.rfile.readLine({ chomp: true })))
        await gate.promise
      }
      for await (const _ of sequential(handler)(server));
    })()
    const clients: Socket[] = []
    for (let i = 0; i < 6; i++) {
      const client = await dial(server.address)
      client.end(`${i}\n`)
      clients.push(client)
    }
    while (seen.length === 0) await turns()
    expect(backlogOf(server)).toBe(5)
    expect(server.stats()).toMatchObject({ accepted: 1, open: 1, waiting: 0 })
    gate.resolve()
    await Promise.all(clients.map(received))
    expect(seen).toEqual(['0', '1', '2', '3', '4', '5'])
    expect(backlogOf(server)).toBe(0)
    await server.close()
    await serving
  })

  it('is not accepted where nobody iterates', async () => {
    const server = await tcp(native)
    const client = await dial(server.address)
    await turns(5)
    expect(server.stats()).toMatchObject({ accepted: 0, waiting: 0 })
    expect(backlogOf(server)).toBe(1)
    expect(await server.close()).toMatchObject({ refused: 1 })
    expect(await received(client)).toHaveLength(0)
    client.destroy()
  })

  // The kernel resets it where the socket is closed before it is taken, and the less lies in between, the fewer those are.
  it('is served where it comes while the server stops to watch its socket', async () => {
    const server = await tcp(native)
    const serving = server.serveForever(sequential((request: StreamRequest) => request.wfile.end('served')))
    await turns()
    const { stop } = OnDemand.prototype
    const dialled = deferred<Promise<Buffer>>()
    let came = false
    const stopping = vi.spyOn(OnDemand.prototype, 'stop').mockImplementation(function (this: OnDemand<unknown>) {
      stop.call(this)
      if (!came) dialled.resolve(received(dialAtOnce(server)))
      came = true
    })
    onTestFinished(() => stopping.mockRestore())
    const closing = server.close()
    expect(String(await dialled.promise)).toBe('served')
    expect(await closing).toMatchObject({ finished: 1, refused: 0 })
    await serving
  })
})

describe('a bare descriptor', () => {
  it('is closed where nobody ever uses it', async () => {
    const server = await tcp(native)
    const client = await dial(server.address)
    const request = await taken(server)
    request.abort()
    await gone(request)
    expect(await received(client)).toHaveLength(0)
    client.destroy()
    expect(await server.close()).toMatchObject({ stillOpen: [] })
  })

  it('can be taken out untouched, with all that has come', async () => {
    const server = await tcp(native)
    const client = await dial(server.address)
    client.write('before')
    const socket = (await taken(server)).detach()
    socket.end('after')
    expect(String(await received(client))).toBe('after')
    client.end()
    expect(String(await received(socket))).toBe('before')
  })

  it('is written before anybody reads it', async () => {
    const server = await unix()
    const client = await dial(server.address)
    const { value: request } = await server.requests({ closeOnReturn: false }).next()
    await (request as StreamRequest).wfile.end('unasked')
    expect(String(await received(client))).toBe('unasked')
    client.destroy()
  })
})

describe('a number that the kernel has given to another client', () => {
  it('is never written by whoever had it before', async () => {
    const server = await tcp(native)
    for (let round = 0; round < 100; round++) {
      const first = await dial(server.address)
      first.on('error', () => {}).resume()
      const before = await taken(server)
      if (round % 2 === 0) {
        first.write('x')
        await before.rfile.read(1)
      }
      const second = await dial(server.address)
      const got = received(second)
      const { wfile } = before
      // Gathered in this turn, to leave at its end: by then the number is the other's.
      wfile.write('not for you').catch(() => {})
      if (round % 4 < 2) before.abort()
      else before.toNodeStream().destroy()
      const after = await taken(server)
      wfile.write('nor this').catch(() => {})
      await turns(2)
      wfile.write('nor this').catch(() => {})
      await after.wfile.end('for you')
      await after.close()
      expect(String(await got)).toBe('for you')
      second.destroy()
    }
    await server.close({ deadline: 0 })
  })

  it('is not written either where its peer has reset', async () => {
    const server = await tcp(native)
    for (let round = 0; round < 50; round++) {
      const first = await dial(server.address)
      const before = await taken(server)
      const { signal } = before
      before.rfile.read().catch(() => {})
      first.resetAndDestroy()
      if (!signal.aborted) await once(signal, 'abort')
      const answer = exchange(server.address, '')
      before.wfile.write('not for you').catch(() => {})
      const after = await taken(server)
      before.wfile.write('not for you').catch(() => {})
      await after.wfile.end('for you')
      await after.close()
      expect(await answer).toBe('for you')
    }
    await server.close({ deadline: 0 })
  })
})

it('serves a connection that took the last descriptor there was', async () => {
  const { code, stdout } = await runChild(`
    import { closeSync, openSync } from 'node:fs'
    import { connect } from 'node:net'
    const server = await new lib.TCPServer({ host: '127.0.0.1', port: 0, backend: 'native' }).listen()
    const client = connect(server.address.port)
    await new Promise((resolve) => client.once('connect', resolve))
    client.setEncoding('utf8').on('data', (text) => console.log(text))
    const fillers = []
    try {
      for (;;) fillers.push(openSync('/dev/null'))
    } catch ({ code }) {
      console.log(code)
    }
    closeSync(fillers.pop())
    const { value: request } = await server.requests().next()
    const ping = request.rfile.readExactly(4)
    client.write('ping')
    request.wfile.write(await ping)
    await request.close()
    client.end()
    for (const filler of fillers) closeSync(filler)
    await server.close()
  `)
  expect(stdout).toBe('EMFILE\nping\n')
  expect(code).toBe(0)
})
