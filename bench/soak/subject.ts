export const transports = ['tcp', 'tls', 'unix', 'udp', 'unix-datagram'] as const
export const backends = ['native', 'node'] as const
export const servingModes = ['sequential', 'parallel', 'keyed', 'framed', 'threads', 'forked', 'loop'] as const

export type Transport = (typeof transports)[number]
export type Backend = (typeof backends)[number]
export type ServingMode = (typeof servingModes)[number]

/** One of the servers under load */
export interface Subject {
  readonly transport: Transport
  readonly backend: Backend
  readonly mode: ServingMode
}

export interface Choice {
  readonly transports: readonly Transport[]
  readonly modes: readonly ServingMode[]
}

export function isStream(transport: Transport): boolean {
  return transport === 'tcp' || transport === 'tls' || transport === 'unix'
}

/** Whether its handlers run in processes or threads that can be killed */
export function hasWorkers({ mode }: Subject): boolean {
  return mode === 'threads' || mode === 'forked'
}

/** Every server that there is of what was chosen */
export function subjectsOf({ transports, modes }: Choice): Subject[] {
  return transports.flatMap((transport) =>
    backends.flatMap((backend) =>
      modes.flatMap((mode) => {
        // Node has no Unix datagrams, and a datagram is no stream of frames.
        if (transport === 'unix-datagram' && backend === 'node') return []
        if (mode === 'framed' && !isStream(transport)) return []
        return [{ transport, backend, mode }]
      })
    )
  )
}

export function nameOf({ transport, backend, mode }: Subject): string {
  return `${transport} ${backend} ${mode}`
}

/** Those of one group share a process */
export function groupOf({ transport, backend }: Subject): string {
  return `${transport} ${backend}`
}
