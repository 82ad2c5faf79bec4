import { onTestFinished } from 'vitest'
import {
  type Report,
  type Request,
  TCPServer,
  type TCPServerOptions,
  TLSServer,
  type TLSServerOptions,
  UDPServer,
  UnixDatagramServer,
  type UnixDatagramServerOptions,
  UnixStreamServer
} from '../../lib/index.ts'
import { certificates, temporaryPath } from './peers.ts'
import { quiet } from './quiet.ts'

/** What a test server was told by `handleError`, in order. */
export interface Noted {
  readonly errors: readonly unknown[]
}

interface Quiet {
  handleError: (error: unknown) => void | Promise<void>
  close(options: { deadline: number }): Promise<Report>
}

function noting<S extends Quiet>(server: S): S & Noted {
  onTestFinished(async () => {
    await server.close({ deadline: 0 })
  })
  return quiet(server)
}

/** A TCP server on a free port of loopback, closed after the test, silent. */
export function tcp(options: TCPServerOptions = {}): Promise<TCPServer & Noted> {
  return noting(new TCPServer(options)).listen()
}

/** A TLS server for localhost on a free port of loopback, closed after the test, silent. */
export function tls(options: TLSServerOptions = {}): Promise<TLSServer & Noted> {
  return noting(new TLSServer({ ...certificates(), ...options })).listen()
}

/** A Unix stream server on a fresh path, closed after the test, silent. */
export function unix(): Promise<UnixStreamServer & Noted> {
  return noting(new UnixStreamServer({ path: temporaryPath() })).listen()
}

/** A UDP server on a free port of loopback, closed after the test, silent. */
export function udp(options: ConstructorParameters<typeof UDPServer>[0] = {}): Promise<UDPServer & Noted> {
  return noting(new UDPServer(options)).listen()
}

/** A Unix datagram server on a fresh path (or the one that is given), closed after the test, silent. */
export function unixDatagram(options: Partial<UnixDatagramServerOptions> = {}): Promise<UnixDatagramServer & Noted> {
  return noting(new UnixDatagramServer({ path: temporaryPath(), ...options })).listen()
}

/** Resolves when the request has gone. */
export function gone(request: Request): Promise<void> {
  return new Promise((resolve) => request.whenClosed(() => resolve()))
}
