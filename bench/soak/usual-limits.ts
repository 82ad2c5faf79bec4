/** What the servers under load allow, but while a fault says otherwise */
export const usualLimits = {
  maxConnections: 10_000,
  maxPacketSize: 50_000,
  /** Milliseconds */
  idleTimeout: 6_000,
  handshakeTimeout: 3_000
}
