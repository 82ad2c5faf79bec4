import { chmodSync, lchownSync, unlinkSync } from 'node:fs'
import { resolve } from 'node:path'
import { longestPath } from '../native/sockaddr.ts'
import { withClaimLock } from './claim-lock.ts'
import { look, removeStale } from './stale-path.ts'

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
  if (Buffer.byteLength(path) > longestPath) throw Object.assign(new Error('path too long'), { code: 'ENAMETOOLONG' })
}

/** A socket file that is ours. */
export class UnixPath {
  // Whatever becomes of the working directory.
  readonly #absolute: string
  readonly #dev: bigint | undefined
  readonly #ino: bigint | undefined

  private constructor(absolute: string) {
    const found = look(absolute)
    this.#absolute = absolute
    this.#dev = found?.dev
    this.#ino = found?.ino
  }

  /**
   * Put a socket at a path. A socket file that nobody answers at is replaced; anything else that stands there stays, and
   * the error is `EADDRINUSE`. Of several servers that claim a path at once, one gets it.
   *
   * @param path - the path
   * @param put - puts it there; gets the path as it fits into an address, and as an absolute one
   */
  static claim(path: string, put: (name: string, absolute: string) => void): Promise<UnixPath> {
    const absolute = resolve(path)
    const folder = process.cwd()
    const name = (): string => {
      if (process.cwd() === folder) return path
      checkLength(absolute)
      return absolute
    }
    return withClaimLock(absolute, async () => {
      await removeStale(absolute, name())
      put(name(), absolute)
      return new UnixPath(absolute)
    })
  }

  /** Take it away, where it is still ours: the socket is open, so nobody else has its inode. */
  remove(): void {
    try {
      const found = look(this.#absolute)
      if (found !== undefined && found.dev === this.#dev && found.ino === this.#ino) unlinkSync(this.#absolute)
    } catch {
      // The folder has gone, or the process has given its rights up: the next server finds a stale file, or can't either.
    }
  }
}

/**
 * Put a socket at a path that is free, and give it its owner and permissions; where that fails nothing stands there.
 *
 * @param absolute - the path
 * @param options - whose it shall be
 * @param bind - puts it there
 * @param open - lets the first one in
 */
export function bindOwned(
  absolute: string,
  options: UnixPathOptions,
  bind: () => void,
  open: () => void = () => {}
): void {
  bind()
  try {
    own(absolute, options)
    open()
  } catch (error) {
    unlinkSync(absolute)
    throw error
  }
}

/** Give a socket file its owner and permissions. */
export function own(path: string, { mode, uid, gid }: UnixPathOptions): void {
  if (uid !== undefined || gid !== undefined) lchownSync(path, uid ?? -1, gid ?? -1)
  if (mode !== undefined) chmodSync(path, mode)
}
