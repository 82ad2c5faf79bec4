import { spawnSync } from 'node:child_process'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Address, Backend, InternetAddress } from '../../lib/index.ts'
import { activate, activateOnPort, script } from '../support/activation.ts'
import { UDPPeer, unixPeer } from '../support/datagram-peers.ts'
import { listeningSocket } from '../support/made-sockets.ts'
import { dial, exchange, received, temporaryPath } from '../support/peers.ts'

const loopback = (port: number): InternetAddress => ({ family: 'IPv4', host: '127.0.0.1', port })

/** A server by the first descriptor, which says what it was given. */
const serving = (kind: string, backend: Backend = 'auto'): string[] => {
  const option = kind === 'UnixDatagramServer' ? '' : `, backend: '${backend}'`
  return script(`
    const activated = lib.listenFds()
    const echo = (request) => lib.pipe(request, request)
    const server = await new lib.${kind}({ fd: activated[0].fd${option} }, echo).listen()
    console.log(JSON.stringify([activated, server.address]))
    process.once('SIGTERM', () => server.close())
    const { aborted, refused } = await server.serveForever(lib.parallel(echo))
    console.log(JSON.stringify({ aborted, refused, served: server.stats().served }))
  `)
}

/** A client that does not mind that nobody answers. Gone after the test. */
async function caller(path: string): Promise<void> {
  const client = await dial({ family: 'unix', path })
  client.on('error', () => {})
  onTestFinished(() => void client.destroy())
}

/** Clients that are there before the server is: each gets what it has sent. */
async function crowd(address: Address, many = 20): Promise<void> {
  const clients = await Promise.all(Array.from({ length: many }, () => dial(address)))
  const answers = clients.map(async (client, i) => {
    client.end(`client ${i}`)
    expect((await received(client)).toString()).toBe(`client ${i}`)
  })
  await Promise.all(answers)
}

describe.for(['native', 'node'] as const)('systemd-socket-activate, by the backend %s', (backend) => {
  it('begins a TCP server with those who have come before it, and loses none', async () => {
    const { activated, port } = await activateOnPort([], serving('TCPServer', backend))
    expect(activated.output()).not.toContain('Execing')
    await crowd(loopback(port))
    const [, said = ''] = await activated.said(/^(\[.*\])$/m)
    expect(JSON.parse(said)).toEqual([[{ fd: 3, name: 'unknown', kind: 'tcp' }], loopback(port)])
    expect(await exchange(loopback(port), 'later')).toBe('later')
    activated.kill('SIGTERM')
    expect(await activated.ended).toEqual([0, null])
    expect(activated.output()).toContain('{"aborted":0,"refused":0,"served":21}')
  })

  it('begins a Unix server', async () => {
    const path = temporaryPath()
    const activated = await activate(['-l', path, '--fdname=web'], serving('UnixStreamServer', backend))
    await crowd({ family: 'unix', path })
    const [, said = ''] = await activated.said(/^(\[.*\])$/m)
    expect(JSON.parse(said)).toEqual([[{ fd: 3, name: 'web', kind: 'unix' }], { family: 'unix', path }])
    activated.kill('SIGTERM')
    expect(await activated.ended).toEqual([0, null])
  })

  it('begins a UDP server with the datagrams that have come before it', async () => {
    const { activated, port } = await activateOnPort(['--datagram'], serving('UDPServer', backend))
    const peer = await UDPPeer.bound()
    for (const text of ['one', 'two', 'three']) await peer.send(loopback(port), text)
    expect((await peer.receive(3)).map(String).sort()).toEqual(['one', 'three', 'two'])
    await activated.said(/"kind":"udp"/)
    activated.kill('SIGTERM')
    expect(await activated.ended).toEqual([0, null])
  })
})

describe('systemd-socket-activate', () => {
  it('begins a server of Unix datagrams', async () => {
    const path = temporaryPath()
    const activated = await activate(['--datagram', '-l', path], serving('UnixDatagramServer'))
    const peer = unixPeer(`${path}-of-peer`)
    expect((await peer.exchange(path, 'ping')).toString()).toBe('ping')
    await activated.said(/"kind":"unix-datagram"/)
  })

  it('passes several sockets, each with its name', async () => {
    const [web, admin] = [temporaryPath(), temporaryPath()]
    const activated = await activate(
      ['-l', web, '-l', admin, '--fdname=web:admin'],
      script(`
        const servers = lib.listenFds().map(({ fd, name }) => {
          const say = async ({ rfile, wfile }) => wfile.write(name + ' ' + await rfile.readAll())
          return new lib.UnixStreamServer({ fd }, say)
        })
        await Promise.all(servers.map((server) => server.serveForever(lib.parallel(server.handler))))
      `)
    )
    const answers = [web, admin, web].map((path) => exchange({ family: 'unix', path }, 'here'))
    expect(await Promise.all(answers)).toEqual(['web here', 'admin here', 'web here'])
    expect(activated.output()).toContain('as 4.')
  })

  it('passes a connection that it has accepted, on which no server can listen', async () => {
    const path = temporaryPath()
    const activated = await activate(
      ['--accept', '-l', path],
      script(`
        const [{ fd, kind }] = lib.listenFds()
        const error = await new lib.UnixStreamServer({ fd }).listen().catch((error) => error)
        console.log('got', kind, error instanceof lib.ListenError, error.code, error.message)
      `)
    )
    await caller(path)
    await activated.said(
      /^got unix true EINVAL Cannot listen on descriptor 3: it is a connection, and cannot listen \(EINVAL\)$/m
    )
  })

  it('begins a process whose children know nothing of it, neither variables nor descriptors', async () => {
    const path = temporaryPath()
    const activated = await activate(
      ['-l', path],
      script(`
        import { spawnSync } from 'node:child_process'
        const look = () => spawnSync('sh', ['-c', 'echo "[$LISTEN_PID$LISTEN_FDS]"; readlink /proc/self/fd/3']).stdout
        const inherited = String(look())
        lib.listenFds()
        console.log(JSON.stringify([inherited, String(look())]))
      `)
    )
    await caller(path)
    const [, said = ''] = await activated.said(/^(\[.*\])$/m)
    const [before, after] = JSON.parse(said) as string[]
    // Node has seen to the descriptors as it began.
    expect(before).toMatch(/^\[\d+1\]\n(?!socket:)/)
    expect(after).toMatch(/^\[\]\n(?!socket:)/)
  })

  it('is not for a process that is begun by the one it has begun', async () => {
    const path = temporaryPath()
    const [node = '', ...rest] = script('console.log("found", JSON.stringify(lib.listenFds()))')
    // A shell that stays, as npm does.
    const activated = await activate(['-l', path], ['sh', '-c', '"$@"; echo done', 'sh', node, ...rest])
    await caller(path)
    await activated.said(/^found \[\]\ndone$/m)
  })
})

describe('the command, when it is activated', () => {
  const command = [process.execPath, 'dist/cli/main.js', '--port', '1']

  it('serves on the socket that it is given, and on no other', async () => {
    const { activated, port } = await activateOnPort([], command)
    expect(await exchange(loopback(port), 'hello\n')).toBe('HELLO\n')
    await activated.said(new RegExp(`^Serving lines on tcp 127.0.0.1:${port}. Try it:$`, 'm'))
    activated.kill('SIGTERM')
    expect(await activated.ended).toEqual([0, null])
    expect(activated.output()).toMatch(/1 total \| datagrams 0 \| lines 1 .*\nStopped\./)
  })

  it('serves datagrams on one of those', async () => {
    const { activated, port } = await activateOnPort(['--datagram'], command)
    const peer = await UDPPeer.bound()
    expect((await peer.exchange(loopback(port), 'hello')).toString()).toBe('HELLO')
    await activated.said(new RegExp(`^Serving lines on udp 127.0.0.1:${port}. Try it:$`, 'm'))
    activated.kill('SIGTERM')
    expect(await activated.ended).toEqual([0, null])
  })

  it('says what it has no use for', async () => {
    const path = temporaryPath()
    const activated = await activate(['-l', path], command)
    await caller(path)
    await activated.said(/^it-socketserver: Descriptor 3 is neither a tcp nor a udp socket: unix$/m)
    expect(await activated.ended).toEqual([1, null])
    const shell = 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$0" dist/cli/main.js'
    const { status, stderr } = spawnSync('sh', ['-c', shell, process.execPath], {
      stdio: ['ignore', 'pipe', 'pipe', listeningSocket().fd, listeningSocket().fd],
      encoding: 'utf8'
    })
    expect([status, stderr]).toEqual([1, 'it-socketserver: Descriptor 4 is a second tcp socket\n'])
  })
})
