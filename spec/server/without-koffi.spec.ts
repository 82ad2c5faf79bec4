import { closeSync, cpSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runChild } from '../support/child.ts'
import { listeningSocket, madeSocket } from '../support/made-sockets.ts'
import { temporaryPath } from '../support/peers.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
let folder: string

interface Manifest {
  readonly dependencies?: Record<string, string>
}

/** Copies what a package needs, and what that needs. */
function install({ dependencies = {} }: Manifest): void {
  for (const name of Object.keys(dependencies)) {
    const [from, to] = [root, folder].map((at) => join(at, 'node_modules', name)) as [string, string]
    if (existsSync(to)) continue
    cpSync(from, to, { recursive: true })
    install(JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')) as Manifest)
  }
}

/** The compiled package and what it depends on, but koffi, elsewhere. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'it-socketserver-bare-'))
  cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  install(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest)
})

afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

const preamble = () => `
  const bare = await import(${JSON.stringify(pathToFileURL(join(folder, 'dist', 'index.js')).href)})
  const { createSocket } = await import('node:dgram')
  const { connect } = await import('node:net')
  const { once } = await import('node:events')
  const tell = (what) => console.log(JSON.stringify(what))
  const told = ({ name, code, message }) => ({ name, code, message })
`

async function run(script: string, inherited: readonly number[] = []): Promise<unknown[]> {
  const { code, stdout, stderr } = await runChild(`${preamble()}\n${script}`, { inherited })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
}

const path = () => JSON.stringify(temporaryPath())

describe('without the package koffi', () => {
  it('an activated socket has a name, and no kind that could be told', async () => {
    const { fd } = listeningSocket()
    const told = await run(
      `
      Object.assign(process.env, { LISTEN_PID: process.pid, LISTEN_FDS: 1, LISTEN_FDNAMES: 'web' })
      const [activated] = bare.listenFds()
      const server = await new bare.TCPServer({ fd: activated.fd }, (request) => bare.pipe(request, request)).listen()
      const serving = server.serveForever()
      const client = connect(server.address.port, '127.0.0.1')
      client.end('ping')
      const [reply] = await once(client, 'data')
      tell([activated, reply.toString()])
      await server.close()
      await serving
      `,
      [fd]
    )
    expect(told).toEqual([[{ fd: 3, name: 'web' }, 'ping']])
  })

  it('a UDP server goes by Node’s own sockets', async () => {
    const told = await run(`
      const server = await new bare.UDPServer({}, (request) => bare.pipe(request, request)).listen()
      const serving = server.serveForever()
      const client = createSocket('udp4')
      client.send('ping', server.address.port, '127.0.0.1')
      const [reply] = await once(client, 'message')
      client.close()
      tell([reply.toString(), server.fileno() === undefined])
      await server.close()
      await serving
    `)
    expect(told).toEqual([['ping', true]])
  })

  it('the backend native is a TypeError that names it', async () => {
    const [error] = await run(`try { new bare.UDPServer({ backend: 'native' }) } catch (error) { tell(told(error)) }`)
    expect(error).toEqual({
      name: 'TypeError',
      message:
        "Option backend can't be 'native' here: it needs the package koffi, which is not installed: npm install koffi"
    })
  })

  it('a server of Unix datagrams does not listen, and names it', async () => {
    const told = await run(`
      const server = new bare.UnixDatagramServer({ path: ${path()} })
      await server.listen().catch((error) => tell(told(error)))
      tell(await server.closed)
    `)
    expect(told).toMatchObject([
      {
        name: 'ListenError',
        code: 'ERR_NO_NATIVE_SOCKETS',
        message: expect.stringMatching(/koffi.*npm install koffi/)
      },
      { aborted: 0 }
    ])
  })

  it('a server of Unix connections listens at a path, and says at an abstract name that it can’t', async () => {
    const told = await run(`
      const path = ${path()}
      const server = await new bare.UnixStreamServer({ path }, (request) => bare.pipe(request, request)).listen()
      const serving = server.serveForever()
      const client = connect(path)
      client.end('ping')
      tell(String(await once(client, 'data')))
      await server.close()
      await serving
      await new bare.UnixStreamServer({ path: '\\0' + path }).listen().catch((error) => tell(told(error)))
    `)
    expect(told).toMatchObject(['ping', { name: 'ListenError', message: expect.stringMatching(/koffi/) }])
  })
})

describe('an inherited socket without the package koffi', () => {
  it('is served, of TCP and UDP; the path of a Unix socket nobody knows', async () => {
    const [tcp, unix, udp] = [
      listeningSocket('IPv6'),
      listeningSocket({ path: temporaryPath() }),
      madeSocket('IPv4', 'datagram')
    ]
    const told = await run(
      `
      const echo = (request) => bare.pipe(request, request)
      const servers = [
        new bare.TCPServer({ fd: 3 }, echo),
        new bare.UnixStreamServer({ fd: 4 }, echo),
        new bare.UDPServer({ fd: 5 }, echo)
      ]
      for (const server of servers) {
        await server.listen()
        tell(server.address)
      }
      const serving = servers.map((server) => server.serveForever())
      for (const target of [servers[0].address, ${JSON.stringify(unix.address)}]) {
        const client = connect(target)
        client.end('ping')
        tell(String(await once(client, 'data')))
      }
      const client = createSocket('udp4')
      client.send('pong', servers[2].address.port, '127.0.0.1')
      tell(String((await once(client, 'message'))[0]))
      client.close()
      for (const server of servers) await server.close()
      await Promise.all(serving)
    `,
      [tcp.fd, unix.fd, udp.fd]
    )
    expect(told).toEqual([tcp.address, { family: 'unix', path: '' }, udp.address, 'ping', 'ping', 'pong'])
  })

  it('is an error where it is none', async () => {
    const inherited = [
      openSync('/dev/null', 'r'),
      listeningSocket().fd,
      listeningSocket({ path: temporaryPath() }).fd,
      madeSocket('IPv6', 'datagram').fd,
      madeSocket('IPv4', 'datagram', { bound: false }).fd
    ]
    const told = await run(
      `
      const listen = (server) => server.listen().then(() => tell('listens'), ({ code, name }) => tell([name, code]))
      await listen(new bare.UnixDatagramServer({ fd: 7 }))
      await listen(new bare.TCPServer({ fd: 99 }))
      await listen(new bare.TCPServer({ fd: 3 }))
      await listen(new bare.TCPServer({ fd: 6 }))
      await listen(new bare.TCPServer({ fd: 5 }))
      await listen(new bare.UnixStreamServer({ fd: 4 }))
      await listen(new bare.UDPServer({ fd: 3 }))
      await listen(new bare.UDPServer({ fd: 6 }))
      await listen(new bare.UDPServer({ fd: 7 }))
    `,
      inherited
    )
    closeSync(inherited[0] as number)
    const codes = ['EBADF', 'ENOTSOCK', 'EINVAL', 'EAFNOSUPPORT', 'EAFNOSUPPORT', 'ENOTSOCK', 'EAFNOSUPPORT', 'EINVAL']
    expect(told).toEqual(['ERR_NO_NATIVE_SOCKETS', ...codes].map((code) => ['ListenError', code]))
  })
})

describe('in a worker thread', () => {
  it('a UDP server goes by Node’s own sockets, and one of Unix datagrams says what it needs', async () => {
    const worker = join(mkdtempSync(join(tmpdir(), 'it-socketserver-')), 'worker.mjs')
    writeFileSync(
      worker,
      `
      import { parentPort } from 'node:worker_threads'
      import * as lib from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)}
      const server = await new lib.UDPServer().listen()
      parentPort.postMessage([server.address.family, server.fileno() === undefined])
      await server.close()
      await new lib.UnixDatagramServer({ path: ${path()} }).listen().catch(({ code, message }) => {
        parentPort.postMessage([code, message.includes('the main thread')])
      })
      try { new lib.UDPServer({ backend: 'native' }) } catch ({ name, message }) {
        parentPort.postMessage([name, message.includes('the main thread')])
      }
      `
    )
    const told = await run(`
      const { Worker } = await import('node:worker_threads')
      const worker = new Worker(${JSON.stringify(worker)}, { execArgv: [] })
      worker.on('message', tell)
      await once(worker, 'exit')
    `)
    expect(told).toEqual([
      ['IPv4', true],
      ['ERR_NO_NATIVE_SOCKETS', true],
      ['TypeError', true]
    ])
  })
})
