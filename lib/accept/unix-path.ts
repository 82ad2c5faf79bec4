import { lstatSync, unlinkSync } from 'node:fs'
import { chmod, chown, link, lstat, rename, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { libc, libcMissing } from './libc.ts'
import { AF_UNIX, encodeUnix, longestPath } from './sockaddr.ts'
import { SOCK_CLOEXEC, SOCK_DGRAM } from './socket-type.ts'

/** A path for a socket, and whose it shall be. */
export interface UnixPathOptions {
  /** A path, or a Linux abstract name: one that begins with a NUL. */
  readonly path: string
  /** Permissions of the socket file; what the umask leaves by default. */
  readonly mode: number | undefined
  /** Its owner; the process's by default. */
  readonly uid: number | undefined
  /** Its group; the process's by default. */
  readonly gid: number | undefined
}

/** Whether a name is one of Linux' abstract namespace: there is no file. */
export function isAbstract(path: string): boolean {
  return path.startsWith('\0')
}

/** Throws where the kernel has no room for a path: libuv would cut it. */
export function checkLength(path: string): void {
  if (Buffer.byteLength(path) > longestPath) throw coded('ENAMETOOLONG', 'path too long')
}

// Others may take away and put up files at the same time: one look is not enough, and for ever is too long.
const attempts = 8

/** A socket file that is ours. */
export class UnixPath {
  readonly #path: string
  readonly #dev: bigint
  readonly #ino: bigint

  private constructor(path: string, dev: bigint, ino: bigint) {
    this.#path = path
    this.#dev = dev
    this.#ino = ino
  }

  /**
   * Put a socket at a path. A socket file that nobody answers at is replaced.
   *
   * @param options - the path, and whose the file shall be
   * @param bind - puts it there; fails with `EADDRINUSE` where something stands there
   */
  static async claim(options: UnixPathOptions, bind: (path: string) => void | Promise<void>): Promise<UnixPath> {
    const { path } = options
    for (let attempt = 1; ; attempt++) {
      try {
        await bind(path)
        break
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === attempts) throw error
        if (!(await removeStale(path))) throw error
      }
    }
    const { dev, ino } = await lstat(path, { bigint: true })
    return new UnixPath(path, dev, ino)
  }

  /** Take it away, where it is still ours. */
  remove(): void {
    try {
      const { dev, ino } = lstatSync(this.#path, { bigint: true })
      if (dev === this.#dev && ino === this.#ino) unlinkSync(this.#path)
    } catch (error) {
      // Somebody else has taken it away, or the folder.
      if (!['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
}

/** Give a socket file its owner and permissions. */
export async function own(path: string, { mode, uid, gid }: UnixPathOptions): Promise<void> {
  if (uid !== undefined || gid !== undefined) await chown(path, uid ?? -1, gid ?? -1)
  if (mode !== undefined) await chmod(path, mode)
}

/** A name beside a path that nobody has, no longer than the longest. */
export function nameBeside(path: string): string {
  const folder = dirname(path)
  const room = longestPath - Buffer.byteLength(join(folder, 'x')) + 1
  const random = Math.random().toString(36).slice(2)
  return join(folder, `.${random}`.slice(0, Math.max(1, Math.min(room, 12))))
}

/** Give a file of ours another name, at which nothing must stand. */
export async function moveTo(path: string, from: string): Promise<void> {
  try {
    // Unlike a rename, a link replaces nothing.
    await link(from, path)
    await unlink(from)
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? coded('EADDRINUSE', `${path} exists`) : error
  }
}

/** Whether nothing stands there any more. */
async function removeStale(path: string): Promise<boolean> {
  let found: Awaited<ReturnType<typeof identity>>
  try {
    found = await identity(path)
  } catch {
    return true
  }
  if (!found.isSocket) return false
  if (await answers(path)) return false
  // Between the look and the removal another server may have put up its own: what is moved away is looked at again.
  const aside = nameBeside(path)
  try {
    await rename(path, aside)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
  const { dev, ino } = await identity(aside)
  if (dev === found.dev && ino === found.ino) {
    await unlink(aside)
    return true
  }
  await moveTo(path, aside).catch(() => unlink(aside))
  return false
}

async function identity(path: string): Promise<{ dev: bigint; ino: bigint; isSocket: boolean }> {
  const stats = await lstat(path, { bigint: true })
  return { dev: stats.dev, ino: stats.ino, isSocket: stats.isSocket() }
}

const noAnswer = new Set<string | undefined>(['ECONNREFUSED', 'ENOENT'])

/** Whether somebody listens. A socket of another type than the one that asks says so, and that is an answer. */
async function answers(path: string): Promise<boolean> {
  if (libcMissing() !== undefined) return accepts(path)
  // A server of connections never hears of a datagram socket's question, nor does one of datagrams.
  const fd = libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (fd < 0) return accepts(path)
  const address = encodeUnix(path)
  const answered = libc().connect(fd, address, address.length) === 0 || !noAnswer.has(libc().error('connect').code)
  libc().close(fd)
  return answered
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(!noAnswer.has(code)))
  })
}

function coded(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code })
}
