import { EventEmitter } from 'node:events'
import * as real from '../../lib/index.ts'
import { temporaryPath } from './peers.ts'

/** Emits `listening` with each server that an example starts. */
export const started = new EventEmitter()

function announced<S extends real.BaseServer<never>>(server: S): S {
  const listen = server.listen.bind(server)
  server.listen = async () => {
    await listen()
    started.emit('listening', server)
    return server as never
  }
  return server
}

/** As in the package, but on a free port, whatever the example says: examples say what people would write. */
export class TCPServer extends real.TCPServer {
  constructor(options: real.TCPServerOptions = {}, handler?: real.Handler<real.StreamRequest>) {
    super({ ...options, port: 0 }, handler)
    announced(this)
  }
}

/** As in the package, but on a free port. */
export class UDPServer extends real.UDPServer {
  constructor(options: real.UDPServerOptions = {}, handler?: real.Handler<real.DatagramRequest>) {
    super({ ...options, port: 0 }, handler)
    announced(this)
  }
}

/** As in the package, but on a fresh path. */
export class UnixStreamServer extends real.UnixStreamServer {
  constructor(options: real.UnixStreamServerOptions, handler?: real.Handler<real.StreamRequest>) {
    super({ ...options, path: temporaryPath() }, handler)
    announced(this)
  }
}
