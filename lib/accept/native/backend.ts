import { show } from '../../arguments.ts'
import { isClusterWorker } from '../cluster-worker.ts'
import { libcMissing } from './libc.ts'

/**
 * Who talks to the kernel. `native`: system calls, by the optional package koffi, on Linux; what nobody asks for stays in
 * the kernel. `node`: Node's own sockets, everywhere. `auto`, the default: `native` where it works, on the main thread
 * and not in a worker of `node:cluster`; the environment variable `IT_SOCKETSERVER_BACKEND` may say `node` instead.
 */
export type Backend = 'auto' | 'native' | 'node'

/** Whether the environment says that nothing but Node's own sockets is to be used, where there is a choice. */
export function nodeIsWanted(): boolean {
  const { IT_SOCKETSERVER_BACKEND: wanted } = process.env
  return wanted === 'node'
}

/**
 * Whether a server goes by system calls.
 *
 * @param backend - as its option says
 */
export function isNative(backend: Backend | undefined): boolean {
  switch (backend) {
    case undefined:
    case 'auto':
      // A worker's socket is its primary's, and that has none but Node's.
      return !nodeIsWanted() && !isClusterWorker() && libcMissing() === undefined
    case 'node':
      return false
    case 'native': {
      const missing = libcMissing()
      if (missing === undefined) return true
      throw new TypeError(`Option backend can't be 'native' here: ${missing.reason}`, { cause: missing.cause })
    }
    default:
      throw new TypeError(`Option backend must be 'auto', 'native' or 'node': got ${show(backend)}`)
  }
}
