import { isAbsolute, resolve } from 'node:path'
import { withClaimLock } from './claim-lock.ts'
import { fileOf, type Ownership, own, removeFile, type SocketFile } from './socket-file.ts'
import { removeStale } from './stale-path.ts'

/** sun_path holds 108 bytes; a path is closed by a NUL. */
export const longestPath = 107

/** A path for a socket, and whose it shall be. */
export interface UnixPathOptions extends Ownership {
  /** A path, or a Linux abstract name: one that begins with a NUL. */
  readonly path: string
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
  readonly #file: SocketFile

  private constructor(absolute: string, file: SocketFile) {
    this.#absolute = absolute
    this.#file = file
  }

  /**
   * Put a socket at a path. A socket file that nobody answers at is replaced; anything else that stands there stays, and
   * the error is `EADDRINUSE`. Of several servers that claim a path at once, one gets it.
   *
   * @param path - the path
   * @param put - puts it there, and says which file it is; gets the path as it fits into an address, and as an absolute one
   */
  static claim(path: string, put: (name: string, absolute: string) => SocketFile): Promise<UnixPath> {
    const name = nameOf(path)
    const absolute = resolve(path)
    return withClaimLock(absolute, async () => {
      await removeStale(absolute, name())
      return new UnixPath(absolute, put(name(), absolute))
    })
  }

  /** Take it away, where it is still ours: the socket is open, so nobody else has its inode. */
  remove(): void {
    try {
      removeFile(this.#absolute, this.#file)
    } catch {
      // The folder has gone, or the process has given its rights up: the next server finds a stale file, or can't either.
    }
  }
}

/** The path as it fits into an address at the time: a relative one is short, until the process leaves its folder. */
function nameOf(path: string): () => string {
  if (isAbsolute(path)) return () => path
  const folder = process.cwd()
  const absolute = resolve(path)
  return () => {
    if (process.cwd() === folder) return path
    checkLength(absolute)
    return absolute
  }
}

/**
 * Put a socket at a path that is free, and give it its owner and permissions; where that fails it is taken away again.
 *
 * @param absolute - the path
 * @param ownership - whose it shall be
 * @param bind - puts it there
 * @param open - lets the first one in
 * @returns its file
 */
export function bindOwned(
  absolute: string,
  ownership: Ownership,
  bind: () => void,
  open: () => void = () => {}
): SocketFile {
  bind()
  const file = fileOf(absolute)
  try {
    own(absolute, file, ownership)
    open()
    return file
  } catch (error) {
    removeFile(absolute, file)
    throw error
  }
}
