import { closeSync, linkSync, mkdtempSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inUse, look } from './stale-path.ts'
import { longestPath } from './unix-path.ts'

// vfat and the like, some network and user-space file systems, and where a kernel protects the files of others.
const noLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'])

/**
 * A name beside a path, for a socket that is not ready yet: in a folder that only the owner may enter, so that nobody
 * reaches the socket before it has its permissions.
 */
export class PassingSocket {
  /** Where the file is. */
  readonly path: string
  /** The same as it fits into an address. */
  readonly name: string
  readonly #folder: string
  readonly #fd: number | undefined

  /** @param absolute - the path that it shall have */
  constructor(absolute: string) {
    // libuv takes this name away once more when it closes the socket: it must never become that of another file.
    const file = process.getBuiltinModule('node:crypto').randomBytes(8).toString('hex')
    // Not by join(), which takes the dot for the folder itself, and makes its sibling.
    this.#folder = mkdtempSync(`${dirname(absolute)}/.`)
    this.path = join(this.#folder, file)
    this.name = this.path
    if (process.platform !== 'linux' || Buffer.byteLength(this.path) <= longestPath) return
    // A folder has a short name too, by its descriptor.
    try {
      this.#fd = openSync(this.#folder, 'r')
    } catch (error) {
      this.remove()
      throw error
    }
    this.name = `/proc/self/fd/${this.#fd}/${file}`
  }

  /** Give it its real name, at which nothing must stand. */
  moveTo(absolute: string): void {
    try {
      // Unlike a rename, a link replaces nothing.
      linkSync(this.path, absolute)
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') throw inUse()
      if (!noLinks.has(code)) throw error
      if (look(absolute) !== undefined) throw inUse()
      renameSync(this.path, absolute)
    }
  }

  /** Take the passing name away. */
  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
    if (this.#fd !== undefined) closeSync(this.#fd)
  }
}
