import { StreamRequestHandler, TLSServer, type TLSServerOptions } from 'it-socketserver'

/** Tells a client what its handshake said: by which name it was asked for, by which protocol, and who the client is. */
class WhoAmI extends StreamRequestHandler {
  override async handle(): Promise<void> {
    const { alpnProtocol, authorized, peerCertificate, servername } = this.connection
    const name = authorized ? peerCertificate?.subject.CN : undefined
    await this.wfile.write(
      `you are ${name ?? 'a stranger'} at ${servername ?? 'no name'} by ${alpnProtocol ?? 'no protocol'}\n`
    )
  }
}

/**
 * A server that asks for a certificate and takes those without one too: who is nobody may still be told so. With
 * `rejectUnauthorized: true` they would not come in.
 */
export function whoAmIServer(options: TLSServerOptions): TLSServer {
  return new TLSServer({ ALPNProtocols: ['who'], requestCert: true, rejectUnauthorized: false, ...options }, WhoAmI)
}
