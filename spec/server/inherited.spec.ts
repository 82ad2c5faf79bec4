import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, fstatSync, openSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { boundAddress } from '../../lib/accept/native/bind-socket.ts'
import { libc } from '../../lib/accept/native/libc.ts'
import {
  type Address,
  type Backend,
  type InternetAddress,
  ListenError,
  parallel,
  pipe,
  type Request,
  type StreamRequest,
  TCPServer,
  TLSServer,
  UDPServer,
  type UnixAddress,
  UnixDatagramServer,
  UnixStreamServer
} from '../../lib/index.ts'
import { socketOption, UDPPeer, unixPeer } from '../support/datagram-peers.ts'
import { startChild } from '../support/live-child.ts'
import { listeningSocket, madeSocket, otherHolder } from '../support/made-sockets.ts'
import { certificates, dial, exchange, exchangeTLS, received, temporaryPath } from '../support/peers.ts'
import { turns } from '../support/turns.ts'

const backends = ['native', 'node'] as const
const echo = (request: Request): Promise<unknown> => pipe(request, request)

/** A server in a process of its own by the descriptor 3: `ready`, then `close` is told to it, then `closed`. */
const servingChild = (kind: string, backend: Backend): string => `
  const server = new lib.${kind}({ fd: 3, backend: '${backend}' }, (request) => lib.pipe(request, request))
  await server.listen()
  const serving = server.serveForever(lib.parallel(server.handler))
  console.log(JSON.stringify(server.address))
  process.stdin.once('data', async () => {
    const { aborted, refused } = await server.close()
    await serving
    console.log(JSON.stringify({ aborted, refused, ...server.stats() }))
    process.stdin.pause()
  })
`

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}

/** What `ss` says of a listening port: how many wait, and how many may. */
function queueOf({ port }: InternetAddress): { waiting: number; backlog: number } {
  const line = execFileSync('ss', ['-ltnH', `sport = :${port}`], { encoding: 'utf8' })
  const [, waiting, backlog] = line.trim().split(/\s+/)
  return { waiting: Number(waiting), backlog: Number(backlog) }
}

async function failure(server: { listen(): Promise<unknown> }): Promise<ListenError> {
  const error = await server.listen().then(
    () => undefined,
    (reason: unknown) => reason
  )
  expect(error).toBeInstanceOf(ListenError)
  return error as ListenError
}

async function listeners(fd: number, where: Address, backend: Backend): Promise<TCPServer | UnixStreamServer> {
  const server = where.family === 'unix' ? new UnixStreamServer({ fd, backend }) : new TCPServer({ fd, backend })
  onTestFinished(async () => void (await server.close({ deadline: 0 })))
  return await (server as TCPServer).listen()
}

describe.for(backends)('a listening socket that was inherited, by the backend %s', (backend) => {
  it.for(['IPv4', 'IPv6', 'path', 'abstract'] as const)('serves in another process, at %s', async (where) => {
    const path = where === 'abstract' ? `\0${temporaryPath()}` : temporaryPath()
    const { fd, address } = listeningSocket(where === 'IPv4' || where === 'IPv6' ? where : { path })
    const kind = address.family === 'unix' ? 'UnixStreamServer' : 'TCPServer'
    const child = startChild(servingChild(kind, backend), { inherited: [fd] })
    expect(JSON.parse(await child.line())).toEqual(address)
    if (where !== 'abstract') {
      expect(await Promise.all(['a', 'b', 'c'].map((input) => exchange(address, input)))).toEqual(['a', 'b', 'c'])
    }
    child.say('close')
    expect(JSON.parse(await child.line())).toMatchObject({ aborted: 0, refused: 0, open: 0 })
    expect(await child.ended()).toBe(0)
    // It is this process's still, and so is its path.
    if (address.family === 'unix' && where === 'path') expect(existsSync(path)).toBe(true)
    const server = await listeners(fd, address, backend)
    expect(server.address).toEqual(address)
  })

  it('is served by one process after the other, and no client is refused', async () => {
    const { fd, address } = listeningSocket()
    const first = startChild(servingChild('TCPServer', backend), { inherited: [fd] })
    await first.line()
    let asking = true
    let answered = 0
    const clients = Array.from({ length: 8 }, async (_, who) => {
      for (let i = 0; asking; i++) {
        expect(await exchange(address, `${who} asks ${i}`)).toBe(`${who} asks ${i}`)
        answered++
      }
    })
    while (answered < 50) await turns()
    first.say('close')
    expect(JSON.parse(await first.line())).toMatchObject({ aborted: 0, refused: 0 })
    expect(await first.ended()).toBe(0)
    const second = startChild(servingChild('TCPServer', backend), { inherited: [fd] })
    await second.line()
    const before = answered
    while (answered < before + 50) await turns()
    asking = false
    await Promise.all(clients)
    second.say('close')
    expect(JSON.parse(await second.line())).toMatchObject({ aborted: 0, refused: 0, failed: 0 })
    await second.ended()
  })

  it('is given back at the close, and neither shut down nor removed', async () => {
    const path = temporaryPath()
    for (const where of ['IPv4', { path }] as const) {
      const { fd, address } = listeningSocket(where)
      const other = otherHolder(fd)
      const server = await listeners(fd, address, backend)
      expect(server.fileno()).not.toBe(other)
      expect(boundAddress(server.fileno() as number)).toEqual(address)
      const serving = server.serveForever(parallel(echo))
      expect(await exchange(address, 'first')).toBe('first')
      expect(isOpen(fd)).toBe(true)
      const own = server.fileno() as number
      await server.close()
      await serving
      await turns(2)
      expect([fd, own].map(isOpen)).toEqual([false, false])
      expect(server.fileno()).toBe(undefined)
      const next = await listeners(other, address, backend)
      const servingNext = next.serveForever(parallel(echo))
      expect(await exchange(address, 'second')).toBe('second')
      await next.close()
      await servingNext
      if (where !== 'IPv4') expect(existsSync(path)).toBe(true)
      // That was the last who had it.
      await expect(dial(address)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    }
  })

  it('may be bound only: then it is made to listen', async () => {
    for (const where of ['IPv4', { path: temporaryPath() }] as const) {
      const { fd, address } = madeSocket(where, 'stream')
      const server = await listeners(fd, address, backend)
      const serving = server.serveForever(parallel(echo))
      expect(await exchange(address, 'ping')).toBe('ping')
      await server.close()
      await serving
    }
  })

  it('never blocks, and no child inherits it', async () => {
    const { fd, address } = listeningSocket()
    const [F_GETFD, F_GETFL, O_NONBLOCK] = [1, 3, 0o4000]
    libc().fcntl(fd, 2, 'int', 0)
    expect(libc().fcntl(fd, F_GETFL, 'int', 0) & O_NONBLOCK).toBe(0)
    const server = await listeners(fd, address, backend)
    expect(libc().fcntl(fd, F_GETFL, 'int', 0) & O_NONBLOCK).toBe(O_NONBLOCK)
    for (const each of [fd, server.fileno() as number]) expect(libc().fcntl(each, F_GETFD, 'int', 0)).toBe(1)
  })

  it('is taken by a TLS server too', async () => {
    const { fd, address } = listeningSocket()
    await using server = await new TLSServer({ fd, backend, ...certificates() }, echo).listen()
    const serving = server.serveForever()
    expect(server.address).toEqual(address)
    expect(await exchangeTLS(server.address, 'secret')).toBe('secret')
    await server.close()
    await serving
  })

  it('may be had by two servers of a process', async () => {
    const { fd, address } = listeningSocket()
    const servers = [await listeners(fd, address, backend), await listeners(fd, address, backend)]
    const serving = servers.map((server) => server.serveForever(parallel(echo)))
    expect(await Promise.all(['a', 'b', 'c'].map((input) => exchange(address, input)))).toEqual(['a', 'b', 'c'])
    await servers[0]?.close()
    // Another's now.
    const stranger = openSync('/dev/null', 'r')
    expect(stranger).toBe(fd)
    expect(await exchange(address, 'd')).toBe('d')
    await servers[1]?.close()
    await Promise.all(serving)
    expect(isOpen(stranger)).toBe(true)
    closeSync(stranger)
  })

  it('does not end the process where Node has the number too', async () => {
    const child = startChild(`
      const { createServer } = await import('node:net')
      const theirs = createServer((socket) => socket.end('theirs')).listen(0, '127.0.0.1', async () => {
        const fd = theirs._handle.fd
        const server = new lib.TCPServer({ fd, backend: '${backend}' }, (request) => request.wfile.write('ours'))
        try {
          await server.listen()
          server.serveForever()
          await new Promise(setImmediate)
          console.log(server.address.port === theirs.address().port)
        } catch (error) {
          console.log(error.code)
        }
        process.stdin.once('data', () => process.exit(0))
      })
    `)
    expect(await child.line()).toBe('true')
    child.say('exit')
    expect(await child.ended()).toBe(0)
  })

  describe('that is none', () => {
    it('is a ListenError that says why, and stays as it is', async () => {
      const file = openSync('/dev/null', 'r')
      onTestFinished(() => closeSync(file))
      const datagrams = madeSocket('IPv4', 'datagram').fd
      const unixDatagrams = madeSocket({ path: temporaryPath() }, 'datagram').fd
      const tcp = listeningSocket().fd
      const unix = listeningSocket({ path: temporaryPath() }).fd
      const unbound = madeSocket('IPv4', 'stream', { bound: false }).fd
      const unboundUnix = madeSocket({ path: '' }, 'stream', { bound: false }).fd
      const closed = openSync('/dev/null', 'r')
      closeSync(closed)
      const wrong: [fd: number, kind: 'TCP' | 'Unix', code: string, why: string][] = [
        [closed, 'TCP', 'EBADF', 'it is not open'],
        [1_000_000, 'Unix', 'EBADF', 'it is not open'],
        [file, 'TCP', 'ENOTSOCK', 'it is not a socket'],
        [file, 'Unix', 'ENOTSOCK', 'it is not a socket'],
        [datagrams, 'TCP', 'EPROTOTYPE', 'it is not a TCP socket'],
        [unixDatagrams, 'Unix', 'EPROTOTYPE', 'it is not a Unix stream socket'],
        [datagrams, 'Unix', 'EAFNOSUPPORT', 'it is not a Unix stream socket'],
        [unix, 'TCP', 'EAFNOSUPPORT', 'it is not a TCP socket'],
        [tcp, 'Unix', 'EAFNOSUPPORT', 'it is not a Unix stream socket'],
        [unbound, 'TCP', 'EINVAL', 'it is not bound to an address'],
        [unboundUnix, 'Unix', 'EINVAL', 'it is not bound to an address']
      ]
      for (const [fd, kind, code, why] of wrong) {
        const server = kind === 'TCP' ? new TCPServer({ fd, backend }) : new UnixStreamServer({ fd, backend })
        const error = await failure(server)
        expect(error).toMatchObject({ code, message: `Cannot listen on descriptor ${fd}: ${why} (${code})` })
        await server.closed
        expect(isOpen(fd)).toBe(code !== 'EBADF')
      }
    })

    it('says of a connection that it is one', async () => {
      await using server = await new TCPServer({ backend: 'native' }).listen()
      const { port } = server.address
      const client = await dial(server.address)
      const { value } = await server.requests({ closeOnReturn: false }).next()
      const socket = (value as StreamRequest).detach()
      const { fd } = (socket as Socket & { _handle: { fd: number } })._handle
      const error = await failure(new TCPServer({ fd, backend }))
      expect(error).toMatchObject({ code: 'EINVAL', message: expect.stringMatching(/it is a connection/) })
      socket.end(`still open at ${port}`)
      expect(String(await received(client))).toBe(`still open at ${port}`)
      client.end()
      await once(socket.resume(), 'close')
    })
  })
})

describe('the backlog of an inherited socket', () => {
  it('is left at the close, with all who wait there, to the next who has it', async () => {
    const { fd, address } = listeningSocket()
    const other = otherHolder(fd)
    const first = await listeners(fd, address, 'native')
    const clients: Socket[] = []
    for (let i = 0; i < 3; i++) {
      const client = await dial(address)
      client.end(`${i}`)
      clients.push(client)
    }
    const { value } = await first.requests({ closeOnReturn: false }).next()
    const answers = clients.map(received)
    const closing = first.close()
    await pipe(value as StreamRequest, value as StreamRequest)
    expect(await closing).toMatchObject({ finished: 1, refused: 0, stillOpen: [] })
    expect(queueOf(address as InternetAddress).waiting).toBe(2)
    const second = await listeners(other, address, 'native')
    const serving = second.serveForever(parallel(echo))
    expect(await Promise.all(answers)).toMatchObject(['0', '1', '2'].map((text) => Buffer.from(text)))
    await second.close()
    await serving
  })

  it('stays as large as it was, natively, and becomes as large as it is said', async () => {
    for (const [backlog, now] of [
      [undefined, 128],
      [7, 7]
    ] as const) {
      const { fd, address } = listeningSocket()
      await using server = await new TCPServer({
        fd,
        backend: 'native',
        ...(backlog !== undefined && { backlog })
      }).listen()
      expect(queueOf(address as InternetAddress).backlog).toBe(now)
      void server
    }
  })
})

describe('an inherited datagram socket', () => {
  it.for(backends)('answers, and goes on at another holder after the close, by %s', async (backend) => {
    for (const where of ['IPv4', 'IPv6'] as const) {
      const { fd, address } = madeSocket(where, 'datagram')
      const other = otherHolder(fd)
      const server = await new UDPServer({ fd, backend }, echo).listen()
      const serving = server.serveForever()
      expect(server.address).toEqual(address)
      const peer = await UDPPeer.bound(where === 'IPv4' ? '127.0.0.1' : '::1')
      expect(String(await peer.exchange(server.address, 'one'))).toBe('one')
      await server.close()
      await serving
      expect(isOpen(fd)).toBe(false)
      const next = await new UDPServer({ fd: other, backend }, echo).listen()
      const servingNext = next.serveForever()
      expect(String(await peer.exchange(next.address, 'two'))).toBe('two')
      await next.close()
      await servingNext
    }
  })

  it('leaves to another holder what comes while its last replies wait', async () => {
    const { fd } = madeSocket('IPv4', 'datagram')
    const other = otherHolder(fd)
    const server = await new UDPServer({ fd, backend: 'native' }).listen()
    const { address } = server
    const peer = await UDPPeer.bound()
    await peer.send(address, 'first')
    const { value: request } = await server.requests({ closeOnReturn: false }).next()
    const closing = server.close()
    await turns(2)
    await peer.send(address, 'second')
    await using next = await new UDPServer({ fd: other, backend: 'native' }).listen()
    const { value: second } = await next.requests({ closeOnReturn: false }).next()
    expect(String(second?.packet)).toBe('second')
    await second?.close()
    await request?.wfile.write('the first is answered')
    await request?.close()
    expect(String((await peer.receive(1))[0])).toBe('the first is answered')
    expect(await closing).toMatchObject({ finished: 1, refused: 0 })
  })

  it('is one of Unix too, whose path stays', async () => {
    const path = temporaryPath()
    const { fd } = madeSocket({ path }, 'datagram')
    const other = otherHolder(fd)
    const peer = unixPeer(temporaryPath())
    for (const each of [fd, other]) {
      const server = await new UnixDatagramServer({ fd: each }, echo).listen()
      const serving = server.serveForever()
      expect(server.address satisfies UnixAddress).toEqual({ family: 'unix', path })
      expect(peer.send(path, 'ping')).toBe(undefined)
      expect(String(await peer.receive())).toBe('ping')
      await server.close()
      await serving
      expect(existsSync(path)).toBe(true)
    }
    expect(peer.send(path, 'ping')).toBe('ECONNREFUSED')
  })

  it('sets what is asked for besides', async () => {
    const { fd, address } = madeSocket('IPv4', 'datagram')
    for (const backend of backends) {
      const options = { backend, broadcast: true, multicast: [{ group: '239.77.88.99', interface: '127.0.0.1' }] }
      await using server = await new UDPServer({ fd: otherHolder(fd), ...options }).listen()
      const [SOL_SOCKET, SO_BROADCAST] = [1, 6]
      expect(socketOption(fd, SOL_SOCKET, SO_BROADCAST)).toBe(1)
      // Once, whoever has asked for it how often.
      expect(readFileSync('/proc/net/igmp', 'utf8').match(/\b63584DEF\b/g)).toHaveLength(1)
      expect(server.address).toEqual(address)
    }
  })

  it.for(backends)('is a ListenError where it is none, by %s', async (backend) => {
    const tcp = listeningSocket().fd
    const unix = madeSocket({ path: temporaryPath() }, 'datagram').fd
    const udp = madeSocket('IPv6', 'datagram').fd
    const unbound = madeSocket('IPv4', 'datagram', { bound: false }).fd
    const wrong: [server: UDPServer | UnixDatagramServer, code: string][] = [
      [new UDPServer({ fd: 1_000_000, backend }), 'EBADF'],
      [new UDPServer({ fd: tcp, backend }), 'EPROTOTYPE'],
      [new UDPServer({ fd: unix, backend }), 'EAFNOSUPPORT'],
      [new UDPServer({ fd: unbound, backend }), 'EINVAL'],
      [new UDPServer({ fd: udp, backend, multicast: [{ group: '239.1.2.3', interface: '0.1.2.3' }] }), 'ENODEV'],
      [new UnixDatagramServer({ fd: udp }), 'EAFNOSUPPORT'],
      [new UnixDatagramServer({ fd: tcp }), 'EAFNOSUPPORT']
    ]
    for (const [server, code] of wrong) expect(await failure(server)).toMatchObject({ code })
    for (const fd of [tcp, unix, udp, unbound]) expect(isOpen(fd)).toBe(true)
  })
})

describe('the option fd', () => {
  it('stands alone: a TypeError names what says where to listen too', () => {
    for (const name of ['host', 'port', 'ipv6Only', 'reusePort', 'reuseAddress']) {
      const options = { fd: 3, [name]: name === 'host' ? '::1' : name === 'port' ? 0 : true }
      expect(() => new TCPServer(options)).toThrow(new RegExp(`fd is a socket .* no place for ${name}`))
      if (name !== 'reuseAddress') expect(() => new UDPServer(options)).toThrow(TypeError)
    }
    for (const name of ['path', 'mode', 'uid', 'gid']) {
      const options = { fd: 3, [name]: name === 'path' ? '/tmp/a' : 0 }
      expect(() => new UnixStreamServer(options)).toThrow(new RegExp(`no place for ${name}`))
      expect(() => new UnixDatagramServer(options)).toThrow(TypeError)
    }
  })

  it('is a number that can be one', () => {
    for (const fd of ['3', null, true]) expect(() => new TCPServer({ fd: fd as never })).toThrow(TypeError)
    for (const fd of [-1, 1.5, Number.NaN, 2 ** 31]) expect(() => new UnixStreamServer({ fd })).toThrow(RangeError)
    expect(() => new UnixStreamServer({})).toThrow(TypeError)
  })

  it('stays the caller’s where the server never listens', async () => {
    const { fd } = listeningSocket()
    for (const backend of backends) {
      const server = new TCPServer({ fd, backend })
      await server.close()
      const binding = new TCPServer({ fd, backend })
      await Promise.all([binding.close(), binding.listen().catch(() => {})])
    }
    expect(isOpen(fd)).toBe(true)
  })
})
