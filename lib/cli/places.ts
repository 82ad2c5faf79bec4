import { type ListenFd, listenFds } from '../index.ts'
import type { CommandArguments } from './arguments.ts'

/** Where the two servers listen; one of them does not, where a service manager has not opened a socket for it. */
export type Places = { readonly [Kind in 'tcp' | 'udp']?: Place }

type Place = { readonly host: string; readonly port: number } | { readonly fd: number }

/** Sockets that the command has no use for; the message says which. */
export class ActivationError extends Error {}

/**
 * Where to listen: on the sockets that a service manager has opened, where there are any, and else as was asked.
 *
 * @param given - the command line
 */
export function places({ host, port }: CommandArguments): Places {
  const activated = listenFds()
  if (activated.length === 0) return { tcp: { host, port }, udp: { host, port } }
  return { ...one('tcp', activated), ...one('udp', activated), ...none(activated) }
}

// A name helps where the kind cannot be told.
const kindOf = ({ kind, name }: ListenFd): string => kind ?? name

function one(wanted: 'tcp' | 'udp', activated: readonly ListenFd[]): Places {
  const [found, another] = activated.filter((socket) => kindOf(socket) === wanted)
  if (another !== undefined) throw new ActivationError(`Descriptor ${another.fd} is a second ${wanted} socket`)
  return found === undefined ? {} : { [wanted]: { fd: found.fd } }
}

function none(activated: readonly ListenFd[]): object {
  for (const socket of activated) {
    const kind = kindOf(socket)
    if (kind === 'tcp' || kind === 'udp') continue
    throw new ActivationError(`Descriptor ${socket.fd} is neither a tcp nor a udp socket: ${kind}`)
  }
  return {}
}
