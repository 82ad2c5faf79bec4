import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  BaseServer,
  ClosedError,
  ListenError,
  NotListeningError,
  sequential,
  TCPServer,
  UDPServer,
  UnixStreamServer
} from '../../lib/index.ts'
import { runChild } from '../support/child.ts'
import { dial, exchange, temporaryPath } from '../support/peers.ts'

type SocketServer = TCPServer | UDPServer | UnixStreamServer

const nobody = { finished: 0, aborted: 0, refused: 0, stillOpen: [] }
const nowhere = 'no-such-host.invalid'

/** It cannot listen, says so in words, and is closed by that. */
async function checkRefusal(server: SocketServer, codes: string[], ...words: string[]): Promise<void> {
  const error = await server.listen().then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  expect(error).toBeInstanceOf(ListenError)
  const { name, code, message, cause } = error as ListenError
  expect(name).toBe('ListenError')
  expect(codes).toContain(code)
  expect(cause).toBeInstanceOf(Error)
  expect(message).toMatch(/^Cannot listen on .+: .+ \([A-Z_]+\)$/)
  for (const word of [code, ...words]) expect(message).toContain(word)
  expect(server.stopping.aborted).toBe(true)
  expect(await server.closed).toEqual(nobody)
  expect(await server.close()).toEqual(nobody)
  expect(server.fileno()).toBe(undefined)
  expect(() => server.address).toThrow(NotListeningError)
  await expect(server.listen()).rejects.toThrow(ClosedError)
}

describe('an address that is in use', () => {
  it('TCP', async () => {
    const live = await new TCPServer({ port: 0 }).listen()
    const { port } = live.address
    await checkRefusal(new TCPServer({ port }), ['EADDRINUSE'], `127.0.0.1:${port}`, 'in use')
    await live.close()
  })

  it('UDP', async () => {
    const live = await new UDPServer({ port: 0 }).listen()
    const { port } = live.address
    await checkRefusal(new UDPServer({ port }), ['EADDRINUSE'], `127.0.0.1:${port}`, 'in use')
    await live.close()
  })

  it('Unix', async () => {
    const live = await new UnixStreamServer({ path: temporaryPath() }).listen()
    const { path } = live.address
    await checkRefusal(new UnixStreamServer({ path }), ['EADDRINUSE'], path, 'in use')
    await live.close()
  })

  it('Unix, by a file that is no socket: it stays as it was', async () => {
    const path = temporaryPath()
    writeFileSync(path, 'precious')
    await checkRefusal(new UnixStreamServer({ path }), ['EADDRINUSE'], path, 'in use')
    expect(readFileSync(path, 'utf8')).toBe('precious')
  })

  it('is told to whoever was to serve, too', async () => {
    const live = await new TCPServer({ port: 0 }).listen()
    const options = { port: live.address.port }
    const handler = (): void => {}
    const serving = [
      new TCPServer(options, handler).serveForever(),
      new TCPServer(options, handler).handleRequest(),
      sequential(handler)(new TCPServer(options)).next(),
      new TCPServer(options)[Symbol.asyncIterator]().next()
    ]
    for (const result of await Promise.allSettled(serving)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { constructor: ListenError, code: 'EADDRINUSE' } })
    }
    await live.close()
  })
})

describe('an IPv6 address', () => {
  it('is written as people write it', async (context) => {
    const live = new TCPServer({ host: '::1', port: 0 })
    try {
      await live.listen()
    } catch {
      context.skip('this machine has no IPv6 loopback')
    }
    const { port } = live.address
    expect(live.address).toEqual({ family: 'IPv6', host: '::1', port })
    await checkRefusal(new TCPServer({ host: '::1', port }), ['EADDRINUSE'], `[::1]:${port}`)
    await live.close()
  })

  it('is written as people write it: UDP', async (context) => {
    const live = new UDPServer({ host: '::1', port: 0 })
    try {
      await live.listen()
    } catch {
      context.skip('this machine has no IPv6 loopback')
    }
    const { port } = live.address
    expect(live.address).toEqual({ family: 'IPv6', host: '::1', port })
    await checkRefusal(new UDPServer({ host: '::1', port }), ['EADDRINUSE'], `[::1]:${port}`)
    await live.close()
  })
})

describe('a host', () => {
  for (const Server of [TCPServer, UDPServer]) {
    it(`that nobody knows: ${Server.name}`, async () => {
      await checkRefusal(new Server({ host: nowhere }), ['ENOTFOUND', 'EAI_AGAIN'], nowhere, 'host')
    })

    // 192.0.2.0/24 is kept for examples: no machine has it.
    it(`that is another machine: ${Server.name}`, async () => {
      await checkRefusal(new Server({ host: '192.0.2.1' }), ['EADDRNOTAVAIL'], '192.0.2.1', 'no such address')
    })

    it(`that is a name: ${Server.name}`, async () => {
      const server = await new Server({ host: 'localhost' }).listen()
      expect(['127.0.0.1', '::1']).toContain(server.address.host)
      await server.close()
    })
  }
})

describe('a Unix path', () => {
  const fill = (bytes: number, letter = 'x'): string => {
    const directory = mkdtempSync(join(tmpdir(), 'it-'))
    const room = bytes - Buffer.byteLength(directory) - 1
    const size = Buffer.byteLength(letter)
    return join(directory, letter.repeat(Math.floor(room / size)) + 'x'.repeat(room % size))
  }

  it('of 107 bytes, the longest there is', async () => {
    const path = fill(107)
    const server = await new UnixStreamServer({ path }, (request) => request.wfile.write('here')).listen()
    expect(server.address).toEqual({ family: 'unix', path })
    expect(existsSync(path)).toBe(true)
    const reply = exchange(server.address, '')
    await server.handleRequest()
    expect(await reply).toBe('here')
    await server.close()
    expect(existsSync(path)).toBe(false)
  })

  it('of 108 bytes', async () => {
    const path = fill(108)
    await checkRefusal(new UnixStreamServer({ path }), ['ENAMETOOLONG'], path, 'too long', '107')
  })

  it('of 108 bytes and fewer characters', async () => {
    const path = fill(108, 'ü')
    expect(path.length).toBeLessThan(108)
    await checkRefusal(new UnixStreamServer({ path }), ['ENAMETOOLONG'], path, 'too long')
  })

  it('in a directory that does not exist', async () => {
    const path = join(dirname(temporaryPath()), 'missing', 'socket')
    await checkRefusal(new UnixStreamServer({ path }), ['ENOENT'], path, 'no such directory')
  })

  it('below a file', async () => {
    const file = temporaryPath()
    writeFileSync(file, '')
    const path = join(file, 'socket')
    await checkRefusal(new UnixStreamServer({ path }), ['ENOTDIR'], path, 'not a directory')
  })

  it('that is a directory', async () => {
    const path = temporaryPath()
    mkdirSync(path)
    await checkRefusal(new UnixStreamServer({ path }), ['EADDRINUSE'], path)
  })
})

describe('a permission that is missing', () => {
  // The child drops what a privileged user may do after it has loaded the package.
  const unprivileged = `
    if (process.getuid() === 0) {
      process.setgroups([])
      process.setgid(65534)
      process.setuid(65534)
    }
    const refusal = async (server) => {
      const error = await server.listen().then(() => undefined, (thrown) => thrown)
      await server.close()
      return { name: error?.name, code: error?.code, message: error?.message }
    }
  `
  const firstFreePort = '/proc/sys/net/ipv4/ip_unprivileged_port_start'
  const kernelLetsIt = !existsSync(firstFreePort) || Number(readFileSync(firstFreePort, 'utf8')) <= 1

  it('to bind a privileged port, TCP and UDP', async (context) => {
    context.skip(kernelLetsIt, 'the kernel lets everybody bind port 1 (net.ipv4.ip_unprivileged_port_start)')
    const { code, stdout, stderr } = await runChild(`${unprivileged}
      const servers = [new lib.TCPServer({ port: 1 }), new lib.UDPServer({ port: 1 })]
      console.log(JSON.stringify(await Promise.all(servers.map(refusal))))
    `)
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const denied = (where: string): unknown => ({
      name: 'ListenError',
      code: 'EACCES',
      message: expect.stringMatching(new RegExp(`^Cannot listen on .*${where}: permission denied .*\\(EACCES\\)$`))
    })
    expect(JSON.parse(stdout)).toEqual([denied('127\\.0\\.0\\.1:1'), denied('127\\.0\\.0\\.1:1')])
  })

  it('to make a path in a directory of somebody else', async (context) => {
    context.skip(process.getuid?.() !== 0, 'only root has a directory that others may not write')
    // /tmp may be written by all; the directory in it only by its owner.
    const path = temporaryPath()
    const { code, stdout, stderr } = await runChild(`${unprivileged}
      console.log(JSON.stringify(await refusal(new lib.UnixStreamServer({ path: ${JSON.stringify(path)} }))))
    `)
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ name: 'ListenError', code: 'EACCES' })
    expect(JSON.parse(stdout).message).toContain(path)
  })
})

describe('a process', () => {
  it('ends by itself after listening has failed, in every way', async () => {
    const { code, stdout, stderr } = await runChild(`
      const live = await new lib.TCPServer().listen()
      const liveDatagrams = await new lib.UDPServer().listen()
      const servers = [
        new lib.TCPServer({ port: live.address.port }),
        new lib.UDPServer({ port: liveDatagrams.address.port }),
        new lib.TCPServer({ host: '192.0.2.1' }),
        new lib.UDPServer({ host: '192.0.2.1' }),
        new lib.TCPServer({ host: ${JSON.stringify(nowhere)} }),
        new lib.UDPServer({ host: ${JSON.stringify(nowhere)} }),
        new lib.UnixStreamServer({ path: '/' + 'x'.repeat(107) }),
        new lib.UnixStreamServer({ path: '/proc/nowhere/socket' })
      ]
      const results = await Promise.allSettled(servers.map((server) => server.listen()))
      await live.close()
      await liveDatagrams.close()
      // Nobody closes the others.
      console.log(results.map(({ status, reason }) => status === 'rejected' && reason.name).join())
    `)
    expect(stderr).toBe('')
    expect(stdout.trim()).toBe(Array(8).fill('ListenError').join())
    expect(code).toBe(0)
  })
})

describe('serverBind and serverActivate', () => {
  for (const hook of ['serverBind', 'serverActivate'] as const) {
    for (const how of ['throws', 'rejects'] as const) {
      it(`close the server where ${hook} ${how}, with the same error`, async () => {
        const trouble = new Error('trouble')
        class Troubled extends BaseServer {
          released = 0

          protected override serverRelease(): void {
            this.released++
          }
        }
        const server = new Troubled()
        server[hook] = () => {
          if (how === 'rejects') return Promise.reject(trouble)
          throw trouble
        }
        const [first, second] = await Promise.allSettled([server.listen(), server.listen()])
        expect(first).toEqual({ status: 'rejected', reason: trouble })
        expect(second).toEqual({ status: 'rejected', reason: trouble })
        expect(await server.closed).toEqual(nobody)
        expect(server.released).toBe(1)
      })
    }
  }

  it('give the port back where serverActivate throws after it has listened', async () => {
    class Troubled extends TCPServer {
      port = 0

      override async serverActivate(): Promise<void> {
        await super.serverActivate()
        this.port = this.address.port
        throw new Error('trouble')
      }
    }
    const server = new Troubled()
    await expect(server.listen()).rejects.toThrow('trouble')
    const heir = await new TCPServer({ port: server.port }).listen()
    const client = await dial(heir.address)
    client.destroy()
    await heir.close()
  })
})
