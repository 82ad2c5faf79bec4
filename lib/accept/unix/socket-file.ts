import { chmodSync, chownSync, closeSync, constants, fstatSync, lchownSync, openSync, unlinkSync } from 'node:fs'
import { inUse, look } from './stale-path.ts'

// Node has no name for it: a descriptor that stands for a file, and opens nothing.
const O_PATH = 0o10000000

/** Which file a socket has: it is not followed, and not found again by its name alone. */
export interface SocketFile {
  readonly dev: bigint
  readonly ino: bigint
}

/** Whose a socket file shall be. */
export interface Ownership {
  /** Permissions of the socket file; what the umask leaves by default. */
  readonly mode: number | undefined
  /** Its owner; the process's by default. */
  readonly uid: number | undefined
  /** Its group; the process's by default. */
  readonly gid: number | undefined
}

/**
 * The file of the socket that was just bound. Throws where what stands there is none. The kernel does not tell which file
 * is a socket's: another socket that was put there in the same moment is taken for it.
 */
export function fileOf(absolute: string): SocketFile {
  const found = look(absolute)
  if (found === undefined || !found.isSocket()) throw replaced()
  return { dev: found.dev, ino: found.ino }
}

/** Take the file away, where it is still this one. */
export function removeFile(absolute: string, file: SocketFile | undefined): void {
  const found = look(absolute)
  if (found !== undefined && isSame(found, file)) unlinkSync(absolute)
}

/**
 * Give a socket file its owner and permissions, and no other file, whatever those who may write to its folder put in its
 * place meanwhile. On Linux a descriptor holds the file; it is reached by `/proc`, without which this fails. Elsewhere it
 * goes by the name: the owner of a symbolic link's target is safe, its permissions are where nobody else may write to the
 * folder.
 *
 * @param absolute - where it is
 * @param file - which it is
 * @param ownership - whose it shall be
 * @throws `EADDRINUSE` where something else stands there
 */
export function own(absolute: string, file: SocketFile, ownership: Ownership): void {
  const { mode, uid, gid } = ownership
  const isGiven = uid !== undefined || gid !== undefined
  if (!isGiven && mode === undefined) return
  if (process.platform !== 'linux') {
    if (isGiven) lchownSync(absolute, uid ?? -1, gid ?? -1)
    // There is no lchmod for sockets: it would open them.
    if (!isSame(look(absolute), file)) throw replaced()
    if (mode !== undefined) chmodSync(absolute, mode)
    return
  }
  const fd = openSync(absolute, O_PATH | constants.O_NOFOLLOW)
  try {
    if (!isSame(fstatSync(fd, { bigint: true }), file)) throw replaced()
    const held = `/proc/self/fd/${fd}`
    if (isGiven) chownSync(held, uid ?? -1, gid ?? -1)
    if (mode !== undefined) chmodSync(held, mode)
  } finally {
    closeSync(fd)
  }
}

function isSame(found: SocketFile | undefined, file: SocketFile | undefined): boolean {
  return found !== undefined && found.dev === file?.dev && found.ino === file.ino
}

function replaced(): Error {
  return inUse(': something else was put in its place')
}
