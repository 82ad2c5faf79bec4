import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { UnixDatagramServer, UnixStreamServer } from '../../../lib/index.ts'
import { temporaryPath } from '../../support/peers.ts'

/** What else happens just before a call. */
const before: { open?: () => void; chown?: (path: string) => void; chmod?: (path: string) => void } = {}
vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>()
  return {
    ...real,
    openSync: (...args: Parameters<typeof real.openSync>) => {
      before.open?.()
      return real.openSync(...args)
    },
    chownSync: (...args: Parameters<typeof real.chownSync>) => {
      before.chown?.(String(args[0]))
      real.chownSync(...args)
    },
    chmodSync: (...args: Parameters<typeof real.chmodSync>) => {
      before.chmod?.(String(args[0]))
      real.chmodSync(...args)
    }
  }
})

const modeOf = (path: string): number => statSync(path).mode & 0o777

let umask: number
beforeEach(() => {
  umask = process.umask(0)
})
afterEach(() => {
  process.umask(umask)
  for (const call of ['open', 'chown', 'chmod'] as const) delete before[call]
})

const servers = {
  'connections, native': (path: string, options = {}) => new UnixStreamServer({ path, backend: 'native', ...options }),
  'connections, node': (path: string, options = {}) => new UnixStreamServer({ path, backend: 'node', ...options }),
  datagrams: (path: string, options = {}) => new UnixDatagramServer({ path, ...options })
}

for (const [name, make] of Object.entries(servers)) {
  describe(`a socket file that is made: ${name}`, () => {
    it('is open to nobody for a moment to whom it shall not be', async () => {
      for (const mode of [0o600, 0o660, 0]) {
        const path = temporaryPath()
        const modes: number[] = []
        before.chmod = (there) => modes.push(modeOf(there))
        const server = await make(path, { mode }).listen()
        expect(modes).toEqual([mode])
        expect(modeOf(path)).toBe(mode)
        await server.close()
      }
    })

    it('keeps its rights to itself where somebody puts a link in its place before it is opened', async () => {
      const path = temporaryPath()
      const secret = `${path}.secret`
      writeFileSync(secret, '')
      chmodSync(secret, 0o600)
      before.open = () => {
        // Opened for something else.
        if (!existsSync(path)) return
        delete before.open
        unlinkSync(path)
        symlinkSync(secret, path)
      }
      await expect(make(path, { mode: 0o666 }).listen()).rejects.toMatchObject({
        code: 'EADDRINUSE',
        message: expect.stringContaining('something else was put in its place')
      })
      expect(modeOf(secret)).toBe(0o600)
      // It is not ours to take away.
      expect(readlinkSync(path)).toBe(secret)
    })

    it('keeps its rights to itself where somebody puts a link in its place afterwards', async () => {
      const path = temporaryPath()
      const secret = `${path}.secret`
      writeFileSync(secret, '')
      chmodSync(secret, 0o600)
      const moved = `${path}.moved`
      before.chmod = () => {
        delete before.chmod
        renameSync(path, moved)
        symlinkSync(secret, path)
      }
      const server = await make(path, { mode: 0o666 }).listen()
      expect(modeOf(secret)).toBe(0o600)
      expect(modeOf(moved)).toBe(0o666)
      await server.close()
      expect(lstatSync(path).isSymbolicLink()).toBe(true)
    })

    it('is listened at where the working directory has gone, by an absolute path', async () => {
      const path = temporaryPath()
      const folder = mkdtempSync(join(tmpdir(), 'it-socketserver-'))
      const home = process.cwd()
      process.chdir(folder)
      rmdirSync(folder)
      try {
        const server = await make(path).listen()
        expect(server.address).toEqual({ family: 'unix', path })
        await server.close()
        expect(existsSync(path)).toBe(false)
        await expect(make('relative').listen()).rejects.toMatchObject({ code: 'ENOENT' })
      } finally {
        process.chdir(home)
      }
    })
  })
}

it('lets nobody in before it has its permissions', async () => {
  const path = temporaryPath()
  let early: Promise<unknown> | undefined
  before.chmod = (there) => {
    // The kernel answers at once.
    early = new Promise((resolve) => connect(there).once('error', resolve).once('connect', resolve))
  }
  const server = await new UnixStreamServer({ path, mode: 0o600 }).listen()
  expect(await early).toMatchObject({ code: 'ECONNREFUSED' })
  await server.close()
})

it("is never open to the process's own group where another shall have it", async () => {
  const modes: number[] = []
  before.chown = (there) => modes.push(modeOf(there))
  for (const given of [{ gid: process.getgid?.() ?? 0 }, { uid: process.getuid?.() ?? 0 }]) {
    const path = temporaryPath()
    const server = await new UnixDatagramServer({ path, mode: 0o660, ...given }).listen()
    expect(modes.pop()).toBe(0o600)
    expect(modeOf(path)).toBe(0o660)
    await server.close()
  }
})
