import { type BigIntStats, lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { libc, libcMissing } from '../native/libc.ts'
import { AF_UNIX, encodeUnix } from '../native/sockaddr.ts'
import { SOCK_CLOEXEC, SOCK_DGRAM } from '../native/socket-type.ts'

/** The error of a path that somebody has, and what it is that stands there. */
export function inUse(by = ''): NodeJS.ErrnoException {
  const clause = `it is in use already${by}`
  return Object.assign(new Error(clause), { code: 'EADDRINUSE', clause })
}

/**
 * Take away a socket file that nobody answers at. Anything else that stands there stays: a live socket, a file of another
 * kind, and a symbolic link wherever it leads, which is somebody's wish, or a trap.
 *
 * @param absolute - the path
 * @param name - the path as it fits into an address
 * @throws `EADDRINUSE` where something else stands there
 */
export async function removeStale(absolute: string, name: string): Promise<void> {
  const found = look(absolute)
  if (found === undefined) return
  if (!found.isSocket()) throw inUse(`: by ${kindOf(found)}, which is not taken away`)
  if (await answers(name)) throw inUse()
  const now = look(absolute)
  if (now === undefined) return
  // Inodes are used again: the time tells a new file from the one that was asked.
  if (now.dev !== found.dev || now.ino !== found.ino || now.ctimeNs !== found.ctimeNs) throw inUse()
  unlinkSync(absolute)
}

/** What stands there; `undefined` where nothing does. */
export function look(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })
}

function kindOf(found: BigIntStats): string {
  if (found.isSymbolicLink()) return 'a symbolic link'
  return found.isDirectory() ? 'a directory' : 'a file that is no socket'
}

const noAnswer = new Set<string | undefined>(['ECONNREFUSED', 'ENOENT'])

/** Whether somebody has the socket open. A doubt is a yes. */
function answers(name: string): boolean | Promise<boolean> {
  if (libcMissing() !== undefined) return accepts(name)
  const { socket, connect: ask, error, close } = libc()
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (fd < 0) return accepts(name)
  // A server of connections never hears of a datagram socket's question (EPROTOTYPE answers it, also where it does not
  // listen yet or its backlog is full), nor does one of datagrams.
  const address = encodeUnix(name)
  const answered = ask(fd, address, address.length) === 0 || !noAnswer.has(error('connect').code)
  close(fd)
  return answered
}

/** The same without system calls: a server of connections gets one that ends at once. */
function accepts(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(name)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(!noAnswer.has(code)))
  })
}
