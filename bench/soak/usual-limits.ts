/** What the servers under load allow, but while a fault says otherwise */
export const usualLimits = {
  maxConnections: 10_000,
  maxPacketSize: 50_000,
  /** Milliseconds: longer than a busy machine keeps anybody waiting who does nothing wrong */
  idleTimeout: 10_000,
  handshakeTimeout: 10_000
}
