import { EventEmitter } from 'node:events'
import * as real from '../../lib/index.ts'
import { temporaryPath } from './peers.ts'

/** Emits `listening` with each server that an example starts. */
export const started = new EventEmitter()

// As in the package, but on a free port or path, whatever the example says: examples say what people would write.

export class TCPServer extends real.TCPServer {
  constructor(options: real.TCPServerOptions = {}, handler?: real.Handler<real.StreamRequest>) {
    super({ ...options, port: 0 }, handler)
  }

  override async serverActivate(): Promise<void> {
    await super.serverActivate()
    started.emit('listening', this)
  }
}

export class UDPServer extends real.UDPServer {
  constructor(options: real.UDPServerOptions = {}, handler?: real.Handler<real.DatagramRequest>) {
    super({ ...options, port: 0 }, handler)
  }

  override async serverActivate(): Promise<void> {
    await super.serverActivate()
    started.emit('listening', this)
  }
}

export class UnixStreamServer extends real.UnixStreamServer {
  constructor(options: real.UnixStreamServerOptions, handler?: real.Handler<real.StreamRequest>) {
    super({ ...options, path: temporaryPath() }, handler)
  }

  override async serverActivate(): Promise<void> {
    await super.serverActivate()
    started.emit('listening', this)
  }
}
