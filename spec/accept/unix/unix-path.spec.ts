import {
  existsSync,
  type linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { withClaimLock } from '../../../lib/accept/unix/claim-lock.ts'
import { parallel, UnixStreamServer, type UnixStreamServerOptions } from '../../../lib/index.ts'
import { startProgram } from '../../support/live-child.ts'
import { exchange, temporaryPath } from '../../support/peers.ts'

// As where koffi is not installed.
vi.mock('../../../lib/accept/native/libc.ts', () => ({ libcMissing: () => ({ reason: 'it needs the package koffi' }) }))

let linkFails: string | undefined
vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>()
  return {
    ...real,
    linkSync: (...names: Parameters<typeof linkSync>) => {
      if (linkFails !== undefined) throw Object.assign(new Error('link'), { code: linkFails })
      real.linkSync(...names)
    }
  }
})

function server(path: string, options: Partial<UnixStreamServerOptions> = {}): UnixStreamServer {
  const made = new UnixStreamServer({ path, ...options })
  made.handleError = () => {}
  onTestFinished(async () => {
    await made.close({ deadline: 0 })
  })
  return made
}

const beside = (path: string): string[] => readdirSync(dirname(path)).sort()

/** Leave a socket that nobody answers at. */
async function stale(path: string): Promise<void> {
  const script = 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1]); print(1, flush=True)'
  const python = startProgram('python3', ['-c', script, path])
  await python.line()
  await python.ended()
  expect(lstatSync(path).isSocket()).toBe(true)
}

describe('a path without system calls', () => {
  it('is replaced where it is stale, and there from its first moment on as it shall be', async () => {
    const path = temporaryPath()
    await stale(path)
    const made = server(path, { mode: 0o604 })
    await made.listen()
    expect(beside(path)).toEqual([basename(path)])
    expect(statSync(path).mode & 0o777).toBe(0o604)
    const reply = exchange(made.address, '')
    await made.handleRequest((request) => request.wfile.write('here'))
    expect(await reply).toBe('here')
    await made.close()
    expect(beside(path)).toEqual([])
  })

  it('is refused where it is live, of connections and of datagrams', async () => {
    for (const type of ['SOCK_STREAM', 'SOCK_DGRAM']) {
      const path = temporaryPath()
      const script = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.${type})
s.bind(sys.argv[1])
if socket.${type} == socket.SOCK_STREAM: s.listen(1)
print(1, flush=True)
sys.stdin.read()`
      await startProgram('python3', ['-c', script, path]).line()
      await expect(server(path).listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
      expect(beside(path)).toEqual([basename(path)])
    }
  })

  it('is refused where something else stands there, which stays', async () => {
    const folder = dirname(temporaryPath())
    writeFileSync(join(folder, 'file'), '')
    mkdirSync(join(folder, 'directory'))
    symlinkSync(join(folder, 'nowhere'), join(folder, 'link'))
    for (const name of ['file', 'directory', 'link']) {
      await expect(server(join(folder, name)).listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    }
    expect(readdirSync(folder).sort()).toEqual(['directory', 'file', 'link'])
  })

  it('has 107 bytes where its folder has 105, and clients reach it', async () => {
    const root = mkdtempSync(join(tmpdir(), 'it-'))
    const folder = join(root, 'f'.repeat(104 - Buffer.byteLength(root)))
    mkdirSync(folder)
    const path = join(folder, 's')
    expect(Buffer.byteLength(path)).toBe(107)
    const made = server(path, { mode: 0o600 })
    await made.listen()
    expect(readdirSync(folder)).toEqual(['s'])
    const reply = exchange(made.address, '')
    await made.handleRequest((request) => request.wfile.write('here'))
    expect(await reply).toBe('here')
    await made.close()
    expect(readdirSync(folder)).toEqual([])
  })

  it('leaves nothing where a folder is missing or the file cannot be given away', async () => {
    const path = temporaryPath()
    await expect(server(join(dirname(path), 'missing', 's')).listen()).rejects.toMatchObject({ code: 'ENOENT' })
    writeFileSync(path, '')
    await expect(server(join(path, 's')).listen()).rejects.toMatchObject({ code: 'ENOTDIR' })
    expect(beside(path)).toEqual([basename(path)])
  })

  it("leaves another's socket alone at the close", async () => {
    const path = temporaryPath()
    const first = server(path)
    await first.listen()
    renameSync(path, `${path}.old`)
    const second = server(path)
    await second.listen()
    await first.close()
    expect(existsSync(path)).toBe(true)
    await second.close()
    expect(beside(path)).toEqual([`${basename(path)}.old`])
  })

  for (const code of ['EPERM', 'ENOTSUP', 'ENOSYS']) {
    it(`is claimed on a file system that has no hard links (${code})`, async () => {
      linkFails = code
      onTestFinished(() => {
        linkFails = undefined
      })
      const path = temporaryPath()
      await stale(path)
      const rivals = [server(path), server(path), server(path)]
      const results = await Promise.allSettled(rivals.map((rival) => rival.listen()))
      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected'])
      expect(beside(path)).toEqual([basename(path)])
      const winner = rivals.find((_, i) => results[i]?.status === 'fulfilled') as UnixStreamServer
      // The others have asked whether somebody is there.
      const serving = winner.serveForever(parallel(({ wfile }) => wfile.write('here')))
      expect(await exchange(winner.address, '')).toBe('here')
      await winner.close()
      await serving
      expect(beside(path)).toEqual([])
    })
  }

  it('is refused where the disk fails, and nothing is left', async () => {
    linkFails = 'EIO'
    onTestFinished(() => {
      linkFails = undefined
    })
    const path = temporaryPath()
    await expect(server(path).listen()).rejects.toMatchObject({ name: 'ListenError', code: 'EIO' })
    expect(beside(path)).toEqual([])
  })
})

describe('the lock of a claim', () => {
  it('lets one in at a time, in order of nothing but luck, and is free after an error', async () => {
    const path = temporaryPath()
    let inside = 0
    let most = 0
    const claim = (fails: boolean): Promise<void> =>
      withClaimLock(path, async () => {
        most = Math.max(most, ++inside)
        await new Promise((resolve) => setImmediate(resolve))
        inside--
        if (fails) throw new Error('no')
      })
    const results = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => claim(i % 2 === 0)))
    expect(results.map(({ status }) => status).sort()).toEqual(
      [...Array(4).fill('fulfilled'), ...Array(4).fill('rejected')].sort()
    )
    expect(most).toBe(1)
  })

  it('is one for each path', async () => {
    const path = temporaryPath()
    await withClaimLock(path, () => withClaimLock(`${path}2`, () => {}))
  })

  it('is given up on where somebody sits on it for ever', async () => {
    const path = temporaryPath()
    const made = server(path)
    // Stands for a process that was stopped in the middle.
    await withClaimLock(path, () => made.listen())
    expect(made.address).toEqual({ family: 'unix', path })
  })
})
