import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { formatAddress, ListenError, UnixDatagramServer, UnixStreamServer } from '../../lib/index.ts'
import { runChild } from '../support/child.ts'
import { type LiveChild, startChild, startProgram } from '../support/live-child.ts'
import { exchange, temporaryPath } from '../support/peers.ts'

const kinds = { UnixStreamServer, UnixDatagramServer }
type Kind = keyof typeof kinds

function server(kind: Kind, path: string, options: object = {}): UnixStreamServer | UnixDatagramServer {
  const made = new kinds[kind]({ path, ...options })
  onTestFinished(async () => {
    await made.close({ deadline: 0 })
  })
  return made
}

async function refusal(made: UnixStreamServer | UnixDatagramServer): Promise<ListenError> {
  const error = await made.listen().then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  expect(error).toBeInstanceOf(ListenError)
  return error as ListenError
}

const permissions = (path: string): number => statSync(path).mode & 0o7777

/** All that is left in the folder of a path. */
const beside = (path: string): string[] => readdirSync(dirname(path)).sort()

function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const leads = readlinkSync(`/proc/self/fd/${fd}`)
      return leads.startsWith('socket:') ? [leads] : []
    } catch {
      return []
    }
  })
}

/** The names of all Unix sockets, as `ss -x` shows them. */
const listed = (): (string | undefined)[] =>
  readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((line) => line.split(' ').at(-1))

/** A process of ours that listens, and says so. */
async function listeningChild(kind: Kind, path: string) {
  const child = startChild(`
    const server = await new lib.${kind}({ path: ${JSON.stringify(path)} }).listen()
    console.log('listening')
    process.stdin.once('end', () => server.close()).resume()
  `)
  expect(await child.line()).toBe('listening')
  return child
}

const pythonServer = (type: string, after: string): string => `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.${type})
s.bind(sys.argv[1])
${after}
print('listening', flush=True)
sys.stdin.read()
`

for (const kind of Object.keys(kinds) as Kind[]) {
  describe(`${kind} at a path`, () => {
    it('replaces a socket that its server has left behind', async () => {
      const path = temporaryPath()
      const child = await listeningChild(kind, path)
      await child.kill()
      expect(existsSync(path)).toBe(true)
      await server(kind, path).listen()
      expect(beside(path)).toEqual([basename(path)])
    })

    it('replaces a socket that was bound and never listened', async () => {
      const path = temporaryPath()
      const child = startProgram('python3', ['-c', pythonServer('SOCK_STREAM', ''), path])
      await child.line()
      await child.kill()
      await server(kind, path).listen()
    })

    for (const rival of Object.keys(kinds) as Kind[]) {
      it(`leaves a live ${rival} alone, in this process and in another`, async () => {
        const path = temporaryPath()
        const live = server(rival, path)
        await live.listen()
        const error = await refusal(server(kind, path))
        expect(error).toMatchObject({ code: 'EADDRINUSE', message: expect.stringContaining('in use already') })
        expect(live.stats()).toMatchObject({ accepted: 0, waiting: 0 })
        await live.close()
        expect(beside(path)).toEqual([])
        const child = await listeningChild(rival, path)
        const { ino } = lstatSync(path)
        expect(await refusal(server(kind, path))).toMatchObject({ code: 'EADDRINUSE' })
        expect(lstatSync(path).ino).toBe(ino)
        expect(await child.ended()).toBe(0)
        expect(beside(path)).toEqual([])
      })
    }

    const strangers = {
      'that listens': ['SOCK_STREAM', 's.listen(1)'],
      'whose backlog is full': [
        'SOCK_STREAM',
        's.listen(0)\nc = [socket.socket(socket.AF_UNIX) for _ in range(9)]\n[(x.setblocking(0), x.connect_ex(sys.argv[1])) for x in c]'
      ],
      'that does not listen yet': ['SOCK_STREAM', ''],
      'of datagrams': ['SOCK_DGRAM', ''],
      'of packets': ['SOCK_SEQPACKET', 's.listen(1)'],
      'that only its owner may call': ['SOCK_STREAM', 's.listen(1)\nimport os\nos.chmod(sys.argv[1], 0)']
    } as const
    for (const [which, [type, after]] of Object.entries(strangers)) {
      it(`leaves a server of Python's alone ${which}`, async () => {
        const path = temporaryPath()
        const python = startProgram('python3', ['-c', pythonServer(type, after), path])
        expect(await python.line()).toBe('listening')
        expect(await refusal(server(kind, path))).toMatchObject({ code: 'EADDRINUSE' })
        expect(lstatSync(path).isSocket()).toBe(true)
        await python.kill()
        await server(kind, path).listen()
      })
    }

    it("does not disturb socat's server: its one connection is still to come", async () => {
      const path = temporaryPath()
      const command = `exec socat -d -d UNIX-LISTEN:${path} 'SYSTEM:echo one' 2>&1`
      const socat = startProgram('sh', ['-c', command])
      expect(await socat.line()).toContain('listening')
      expect(await refusal(server(kind, path))).toMatchObject({ code: 'EADDRINUSE' })
      expect(await exchange({ family: 'unix', path }, '')).toBe('one\n')
      await socat.kill()
    })

    it('never takes away what is no socket, and says what it is', async () => {
      const folder = dirname(temporaryPath())
      const at = (name: string): string => join(folder, name)
      writeFileSync(at('file'), 'precious')
      mkdirSync(at('directory'))
      symlinkSync(at('nowhere'), at('dangling'))
      const live = server('UnixStreamServer', at('live'))
      await live.listen()
      symlinkSync(at('live'), at('to-live'))
      const child = await listeningChild(kind, at('stale'))
      await child.kill()
      symlinkSync(at('stale'), at('to-stale'))
      const before = readdirSync(folder).sort()
      const clauses = {
        file: 'a file that is no socket',
        directory: 'a directory',
        dangling: 'a symbolic link',
        'to-live': 'a symbolic link',
        'to-stale': 'a symbolic link'
      }
      for (const [name, clause] of Object.entries(clauses)) {
        const { code, message } = await refusal(server(kind, at(name)))
        expect(code).toBe('EADDRINUSE')
        expect(message).toContain(`it is in use already: by ${clause}, which is not taken away`)
      }
      expect(readdirSync(folder).sort()).toEqual(before)
      expect(readFileSync(at('file'), 'utf8')).toBe('precious')
      expect(readlinkSync(at('to-stale'))).toBe(at('stale'))
    })

    it('takes 107 bytes also where a folder leaves room for one letter only, and never 108', async () => {
      const root = mkdtempSync(join(tmpdir(), 'it-'))
      const folder = join(root, 'f'.repeat(105 - Buffer.byteLength(root) - 1))
      mkdirSync(folder)
      const path = join(folder, 's')
      expect(Buffer.byteLength(path)).toBe(107)
      const made = server(kind, path)
      await made.listen()
      expect(readdirSync(folder)).toEqual(['s'])
      expect(await refusal(server(kind, join(folder, 'ü')))).toMatchObject({ code: 'ENAMETOOLONG' })
      await made.close()
      expect(readdirSync(folder)).toEqual([])
    })

    it('leaves neither a file nor a descriptor where it cannot listen', async (context) => {
      context.skip(process.getuid?.() !== 0, 'only root can be refused a change of owner by a user that does not exist')
      const missing = join(dirname(temporaryPath()), 'missing', 'socket')
      const taken = temporaryPath()
      writeFileSync(taken, '')
      const open = descriptors()
      expect(await refusal(server(kind, missing))).toMatchObject({ code: 'ENOENT' })
      expect(await refusal(server(kind, taken))).toMatchObject({ code: 'EADDRINUSE' })
      expect(beside(taken)).toEqual([basename(taken)])
      expect(descriptors()).toEqual(open)
    })

    it('leaves nothing where it may not give the file away', async (context) => {
      context.skip(process.getuid?.() !== 0, 'somebody who may not is needed, and somebody who can become that')
      const folder = dirname(temporaryPath())
      chmodSync(folder, 0o777)
      const { stdout, stderr } = await runChild(`
        import { readdirSync } from 'node:fs'
        process.setgroups([])
        process.setgid(65534)
        process.setuid(65534)
        const path = ${JSON.stringify(join(folder, 'socket'))}
        const error = await new lib.${kind}({ path, uid: 0, mode: 0o600 }).listen().catch((thrown) => thrown)
        console.log(error.name, error.code, readdirSync(${JSON.stringify(folder)}).length)
      `)
      expect(stderr).toBe('')
      expect(stdout).toBe('ListenError EPERM 0\n')
    })

    it('may not listen in a folder of somebody else', async (context) => {
      context.skip(process.getuid?.() !== 0, 'only root has a folder that others may not write')
      const path = temporaryPath()
      const { stdout } = await runChild(`
        process.setgroups([])
        process.setgid(65534)
        process.setuid(65534)
        const error = await new lib.${kind}({ path: ${JSON.stringify(path)} }).listen().catch((thrown) => thrown)
        console.log(error.name, error.code)
      `)
      expect(stdout).toBe('ListenError EACCES\n')
      expect(beside(path)).toEqual([])
    })

    it('closes without complaint though its process may not take the path away any more', async (context) => {
      context.skip(process.getuid?.() !== 0, 'only root can give its rights up')
      const path = temporaryPath()
      const { code, stdout, stderr } = await runChild(`
        const server = await new lib.${kind}({ path: ${JSON.stringify(path)} }).listen()
        process.setgroups([])
        process.setgid(65534)
        process.setuid(65534)
        console.log(JSON.stringify(await server.close()))
      `)
      expect([code, stderr]).toEqual([0, ''])
      expect(JSON.parse(stdout)).toMatchObject({ aborted: 0 })
      expect(beside(path)).toEqual([basename(path)])
      await server(kind, path).listen()
    })

    it('takes the path away at the close, where it is still its own', async () => {
      const path = temporaryPath()
      const moved = `${path}.moved`
      const first = server(kind, path)
      await first.listen()
      renameSync(path, moved)
      const second = server(kind, path)
      await second.listen()
      await first.close()
      // What was moved is not looked for; what stands there is another's.
      expect(beside(path)).toEqual([basename(path), basename(moved)])
      expect(await refusal(server(kind, path))).toMatchObject({ code: 'EADDRINUSE' })
      await second.close()
      expect(beside(path)).toEqual([basename(moved)])
    })

    it('closes well though its folder has gone', async () => {
      const path = temporaryPath()
      const made = server(kind, path)
      await made.listen()
      renameSync(dirname(path), `${dirname(path)}-gone`)
      expect(await made.close()).toMatchObject({ aborted: 0 })
    })

    it('is closed while it begins to listen, and leaves nothing', async () => {
      const path = temporaryPath()
      for (let turns = 0; turns < 12; turns++) {
        const made = server(kind, path)
        const listening = made.listen().catch((error: unknown) => error)
        for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
        await made.close()
        await listening
        expect(beside(path)).toEqual([])
      }
    })

    it('has the permissions and the owner that it was given, whatever the umask', async () => {
      const path = temporaryPath()
      const umask = process.umask(0o027)
      try {
        const plain = server(kind, path)
        await plain.listen()
        expect(permissions(path)).toBe(0o750)
        await plain.close()
        for (const mode of [0o600, 0o666, 0, 0o777]) {
          const made = server(kind, path, { mode })
          await made.listen()
          expect(permissions(path)).toBe(mode)
          await made.close()
        }
      } finally {
        process.umask(umask)
      }
      if (process.getuid?.() !== 0) return
      const made = server(kind, path, { uid: 1234, gid: 4321, mode: 0o640 })
      await made.listen()
      expect(lstatSync(path)).toMatchObject({ uid: 1234, gid: 4321 })
      expect(permissions(path)).toBe(0o640)
    })

    it('refuses wrong ids and permissions at construction', () => {
      const path = temporaryPath()
      expect(() => new kinds[kind]({ path, mode: 0o1000 })).toThrow(RangeError)
      expect(() => new kinds[kind]({ path, mode: '660' as never })).toThrow(TypeError)
      expect(() => new kinds[kind]({ path, uid: -1 })).toThrow(RangeError)
      expect(() => new kinds[kind]({ path, gid: 1.5 })).toThrow(RangeError)
      expect(() => new kinds[kind]({ path: '' })).toThrow(RangeError)
      expect(() => new kinds[kind]({ path: '\0' })).toThrow(RangeError)
      expect(() => new kinds[kind]({ path: 'a\0b' })).toThrow(RangeError)
    })

    it('refuses the owner and the permissions of what has no file', () => {
      for (const given of [{ mode: 0o600 }, { uid: 0 }, { gid: 0 }]) {
        const [name] = Object.keys(given)
        expect(() => new kinds[kind]({ path: '\0name', ...given })).toThrow(
          new TypeError(`Option ${name} is for a socket file: an abstract name has none`)
        )
        const platform = vi.spyOn(process, 'platform', 'get').mockReturnValue('win32')
        try {
          expect(() => new kinds[kind]({ path: String.raw`\\.\pipe\name`, ...given })).toThrow(
            new TypeError(`Option ${name} is for a socket file: a pipe has none`)
          )
        } finally {
          platform.mockRestore()
        }
      }
      expect(() => new kinds[kind]({ path: '\0name', mode: undefined } as never)).not.toThrow()
    })

    it('takes a relative path away though the process has moved on', async () => {
      const folder = dirname(temporaryPath())
      const { stdout, stderr } = await runChild(`
        import { existsSync } from 'node:fs'
        process.chdir(${JSON.stringify(folder)})
        const server = await new lib.${kind}({ path: 'socket' }).listen()
        process.chdir('/')
        const rival = await new lib.${kind}({ path: ${JSON.stringify(join(folder, 'socket'))} }).listen().catch((e) => e)
        const before = existsSync(${JSON.stringify(join(folder, 'socket'))})
        await server.close()
        console.log(server.stats().accepted, before, rival.code, existsSync(${JSON.stringify(join(folder, 'socket'))}))
      `)
      expect(stderr).toBe('')
      expect(stdout).toBe('0 true EADDRINUSE false\n')
    })

    it('goes by a relative path where the absolute one would be too long', async () => {
      const root = mkdtempSync(join(tmpdir(), 'it-'))
      const folder = join(root, 'd'.repeat(120))
      mkdirSync(folder)
      const { stdout, stderr } = await runChild(`
        import { existsSync } from 'node:fs'
        process.chdir(${JSON.stringify(folder)})
        const server = await new lib.${kind}({ path: 'socket' }).listen()
        const rival = await new lib.${kind}({ path: 'socket' }).listen().catch((thrown) => thrown)
        await server.close()
        console.log(rival.code, existsSync('socket'))
      `)
      expect(stderr).toBe('')
      expect(stdout).toBe('EADDRINUSE false\n')
    })
  })
}

/** A server that stands up and closes as it is told; in a worker there are no system calls. */
function contender(kind: Kind, path: string, inWorker: boolean): LiveChild {
  const orders = `
    async function obey (lib, lines, answer) {
      let server
      for await (const line of lines) {
        if (line === 'go') {
          server = new lib.${kind}({ path: ${JSON.stringify(path)}, mode: 0o600 })
          answer(await server.listen().then(() => 'won', (error) => error.code))
        } else {
          await server.close()
          answer('closed')
        }
      }
    }
  `
  const here = `${orders}; await obey(lib, createInterface({ input: process.stdin }), console.log)`
  const there = `
    ${orders}
    const { on } = require('node:events')
    const { parentPort } = require('node:worker_threads')
    const lines = (async function * () { for await (const [line] of on(parentPort, 'message')) yield line })()
    import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)}).then((lib) => {
      parentPort.postMessage('ready')
      return obey(lib, lines, (line) => parentPort.postMessage(line))
    })
  `
  return startChild(`
    import { createInterface } from 'node:readline'
    import { Worker } from 'node:worker_threads'
    if (!${inWorker}) {
      console.log('ready')
      ${here}
    } else {
      const worker = new Worker(${JSON.stringify(there)}, { eval: true, execArgv: [] })
      worker.on('message', console.log)
      for await (const line of createInterface({ input: process.stdin })) worker.postMessage(line)
    }
  `)
}

const staleMaker = `import socket, sys
for line in sys.stdin:
    s = socket.socket(socket.AF_UNIX)
    s.bind(sys.argv[1])
    s.close()
    print('stale', flush=True)
`

describe('servers that claim a stale path at the same moment', () => {
  const pairings: [string, Kind, boolean, boolean][] = [
    ['of connections', 'UnixStreamServer', false, false],
    ['of connections, without system calls', 'UnixStreamServer', true, true],
    ['of connections, one of them without system calls', 'UnixStreamServer', false, true],
    ['of datagrams', 'UnixDatagramServer', false, false]
  ]
  for (const [name, kind, first, second] of pairings) {
    it(`have one winner, round after round, and leave nothing behind: ${name}`, async () => {
      const path = temporaryPath()
      const contenders = [first, second, second].map((inWorker) => contender(kind, path, inWorker))
      for (const child of contenders) expect(await child.line()).toBe('ready')
      const python = startProgram('python3', ['-c', staleMaker, path])
      for (let round = 0; round < 25; round++) {
        python.say('')
        expect(await python.line()).toBe('stale')
        for (const child of contenders) child.say('go')
        const results = await Promise.all(contenders.map((child) => child.line()))
        expect(results.sort()).toEqual(['EADDRINUSE', 'EADDRINUSE', 'won'])
        expect(beside(path)).toEqual([basename(path)])
        expect(permissions(path)).toBe(0o600)
        for (const child of contenders) child.say('close')
        await Promise.all(contenders.map((child) => child.line()))
        expect(beside(path)).toEqual([])
      }
    })
  }
})

describe('UnixStreamServer at a path', () => {
  it('is listed under its own name, and its clients see that', async () => {
    const path = temporaryPath()
    const made = server('UnixStreamServer', path)
    await made.listen()
    expect(listed()).toContain(path)
    const asking = `import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.getpeername())`
    expect(spawnSync('python3', ['-c', asking, path], { encoding: 'utf8' }).stdout).toBe(`${path}\n`)
  })

  it('is shared by two workers of a cluster, also where a path was left behind', async () => {
    const path = temporaryPath()
    const child = await listeningChild('UnixStreamServer', path)
    await child.kill()
    const { stdout, stderr, code } = await runChild(`
      import cluster from 'node:cluster'
      import { once } from 'node:events'
      import { connect } from 'node:net'
      import { writeFileSync } from 'node:fs'
      const file = ${JSON.stringify(`${path}.mjs`)}
      writeFileSync(file, \`
        import { pipe, UnixStreamServer } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)}
        const server = new UnixStreamServer({ path: ${JSON.stringify(path)}, mode: 0o600 }, async ({ wfile }) => {
          await wfile.write(String(process.pid))
        })
        await server.listen()
        process.send('listening')
        process.once('message', async () => {
          await server.close()
          process.disconnect()
        })
        await server.serveForever()
      \`)
      cluster.setupPrimary({ exec: file, execArgv: [] })
      const workers = [cluster.fork(), cluster.fork()]
      await Promise.all(workers.map((worker) => once(worker, 'message')))
      const pids = new Set()
      for (let i = 0; i < 10; i++) {
        const client = connect(${JSON.stringify(path)})
        let text = ''
        for await (const chunk of client) text += chunk
        pids.add(Number(text))
      }
      console.log(workers.every(({ process: { pid } }) => pids.has(pid)), pids.size)
      for (const worker of workers) worker.send('close')
      await Promise.all(workers.map((worker) => once(worker, 'exit')))
    `)
    expect(stderr).toBe('')
    expect(stdout).toBe('true 2\n')
    expect(code).toBe(0)
    expect(existsSync(path)).toBe(false)
  })
})

describe('an abstract name', () => {
  const someName = (): string => `\0it-socketserver-spec-${basename(dirname(temporaryPath()))}`

  it('has exactly its length: ss shows it, socat and Python find it', async () => {
    const path = someName()
    const made = server('UnixStreamServer', path) as UnixStreamServer
    await made.listen()
    expect(made.address).toEqual({ family: 'unix', path })
    expect(formatAddress(made.address)).toBe(`@${path.slice(1)}`)
    expect(listed()).toContain(`@${path.slice(1)}`)
    const answering = made.serveForever((source) =>
      (async function* () {
        for await (const request of source) {
          await request.wfile.write('here')
          yield await request.close()
        }
      })()
    )
    const socat = startProgram('socat', ['-u', `ABSTRACT-CONNECT:${path.slice(1)}`, '-'])
    expect(await socat.line()).toBe('here')
    const asking = `import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('\\0' + sys.argv[1]); print(s.recv(9), flush=True)`
    const python = startProgram('python3', ['-c', asking, path.slice(1)])
    expect(await python.line()).toBe("b'here'")
    await made.close()
    await answering
  })

  it('of datagrams is found by Python, and shown', async () => {
    const path = someName()
    const made = server('UnixDatagramServer', path)
    await made.listen()
    expect(formatAddress(made.address)).toBe(`@${path.slice(1)}`)
    const asking = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('')
s.sendto(b'ping', '\\0' + sys.argv[1])
print(s.recv(9), flush=True)`
    const python = startProgram('python3', ['-c', asking, path.slice(1)])
    await made.handleRequest((request: { wfile: { write(text: string): Promise<void> } }) =>
      request.wfile.write('pong')
    )
    expect(await python.line()).toBe("b'pong'")
  })

  for (const kind of Object.keys(kinds) as Kind[]) {
    it(`is in use, and free after the close: ${kind}`, async () => {
      const path = someName()
      const first = server(kind, path)
      await first.listen()
      const error = await refusal(server(kind, path))
      expect(error.code).toBe('EADDRINUSE')
      expect(error.message).toBe(`Cannot listen on @${path.slice(1)}: it is in use already (EADDRINUSE)`)
      // A longer name is another.
      await server(kind, `${path}0`).listen()
      await first.close()
      await server(kind, path).listen()
    })

    it(`of 107 bytes and one more: ${kind}`, async () => {
      await server(kind, someName().padEnd(107, 'x')).listen()
      expect(await refusal(server(kind, someName().padEnd(108, 'x')))).toMatchObject({ code: 'ENAMETOOLONG' })
    })

    it(`is refused in a worker, with the reason: ${kind}`, async () => {
      const { stdout, stderr } = await runChild(`
        import { Worker } from 'node:worker_threads'
        const worker = new Worker(\`
          import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)}).then(async (lib) => {
            const error = await new lib.${kind}({ path: '\\\\0x' }).listen().catch((thrown) => thrown)
            console.log(error.name, error.code, error.message)
          })
        \`, { eval: true })
      `)
      expect(stderr).toBe('')
      expect(stdout).toBe(
        'ListenError ERR_NO_NATIVE_SOCKETS Cannot listen on @x: it needs the main thread (this is a worker) (ERR_NO_NATIVE_SOCKETS)\n'
      )
    })
  }
})
