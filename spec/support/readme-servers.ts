import { EventEmitter } from 'node:events'
import * as real from '../../lib/index.ts'
import { identity } from './certificates.ts'
import { temporaryPath } from './peers.ts'

/** How an example's server is talked to. */
export type Kind = 'tcp' | 'tls' | 'udp'

/** A server that an example has started. */
export interface Started {
  readonly kind: Kind
  readonly server: { readonly address: real.Address; close(): Promise<unknown> }
}

/** Emits each server that an example starts. */
export const started = new EventEmitter<{ listening: [Started] }>()

// As in the package, but on a free port or path, whatever the example says: examples say what people would write.

export class TCPServer extends real.TCPServer {
  constructor(options: real.TCPServerOptions = {}, handler?: real.Handler<real.StreamRequest>) {
    super({ ...options, port: 0 }, handler)
  }

  override async serverActivate(): Promise<void> {
    await super.serverActivate()
    started.emit('listening', { kind: 'tcp', server: this })
  }
}

export class TLSServer extends real.TLSServer {
  constructor(options: real.TLSServerOptions, handler?: real.Handler<real.StreamRequest>) {
    const { key, cert } = identity('localhost')
    super({ ...options, key, cert, port: 0 }, handler)
  }

  override async serverActivate(): Promise<void> {
    await super.serverActivate()
    started.emit('listening', { kind: 'tls', server: this })
  }
}

export class UDPServer extends real.UDPServer {
  constructor(options: real.UDPServerOptions = {}, handler?: real.Handler<real.DatagramRequest>) {
    super({ ...options, port: 0 }, handler)
  }

  override async serverActivate(): Promise<void> {
    await super.serverActivate()
    started.emit('listening', { kind: 'udp', server: this })
  }
}

export class ForkingTCPServer extends real.ForkingTCPServer {
  constructor(options: real.ForkingTCPServerOptions, module: URL | string) {
    super({ ...options, port: 0 }, module)
  }

  override async serverActivate(): Promise<void> {
    await super.serverActivate()
    started.emit('listening', { kind: 'tcp', server: this })
  }
}

export class ThreadingUnixStreamServer extends real.ThreadingUnixStreamServer {
  constructor(options: real.ThreadingUnixStreamServerOptions, handler?: real.Handler<real.StreamRequest>) {
    super({ ...options, path: temporaryPath() }, handler)
  }

  override async serverActivate(): Promise<void> {
    await super.serverActivate()
    started.emit('listening', { kind: 'tcp', server: this })
  }
}
