import type { Cluster } from 'node:cluster'

/**
 * Whether this is a worker of `node:cluster`: its sockets are its primary's. A worker has a channel to that, or has had one;
 * without one there is nothing to load the module for.
 */
export function isClusterWorker(): boolean {
  // Its types are those of an import.
  return process.send !== undefined && (process.getBuiltinModule('node:cluster') as unknown as Cluster).isWorker
}
