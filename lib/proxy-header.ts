import type { Address } from './address.ts'

/**
 * What a PROXY header has said of a connection: haproxy's PROXY protocol, version 1 (a line of text) or 2 (binary). What
 * is decoded of the TLVs (ALPN, authority, …) is there once; all of them are in `tlvs`, as they came.
 *
 * @example
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0, proxyProtocol: { trust: ['127.0.0.1'] } }).listen()
 * const outcome = server.handleRequest((request) => pipe(request, request))
 * await exchange(server.address, 'PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n')
 * assert.equal(formatAddress((await outcome)?.request.proxy?.destination), '198.51.100.1:443')
 * await server.close()
 */
export interface ProxyHeader {
  /** Which of the two formats. */
  readonly version: 1 | 2
  /** `PROXY`: on behalf of a client; `LOCAL`: the proxy's own connection, a health check say. */
  readonly command: 'PROXY' | 'LOCAL'
  /** Where the client is; `undefined` of a `LOCAL` connection, and where the proxy could not tell. */
  readonly source: Address | undefined
  /** Where the client has connected to; `undefined` where `source` is. */
  readonly destination: Address | undefined
  /** Where the connection itself comes from: the proxy. */
  readonly proxyAddress: Address | undefined
  /** All TLVs, in their order; none in version 1, and of a `LOCAL` connection, whose block is not looked at. */
  readonly tlvs: readonly ProxyTLV[]
  /** The protocol that the client and the proxy have agreed on by ALPN. */
  readonly alpn: string | undefined
  /** The name of the host that the client has asked for: by SNI, say. */
  readonly authority: string | undefined
  /** What tells this connection from all others across several proxies: 128 bytes at most. */
  readonly uniqueId: Buffer | undefined
  /** The name of the proxy's network namespace. */
  readonly netns: string | undefined
  /** What the client's TLS connection to the proxy was like. */
  readonly ssl: ProxySSL | undefined
}

/** A value of a PROXY header of version 2. */
export interface ProxyTLV {
  /** What it is: 0 to 255, `0xE0` to `0xEF` for whatever the proxy's owner likes. */
  readonly type: number
  /** Its bytes. */
  readonly value: Buffer
}

/** The client's TLS connection to the proxy, as that tells of it. */
export interface ProxySSL {
  /** Whether the client has connected by TLS. */
  readonly encrypted: boolean
  /** Whether it has shown a certificate, in this connection or before in the same session. */
  readonly hasCertificate: boolean
  /** Whether it has, and the proxy has accepted it. */
  readonly authorized: boolean
  /** `'TLSv1.3'`, say. */
  readonly version: string | undefined
  /** The common name in the client's certificate. */
  readonly commonName: string | undefined
  /** The cipher, by OpenSSL's name. */
  readonly cipher: string | undefined
  /** How the proxy's certificate is signed. */
  readonly signatureAlgorithm: string | undefined
  /** What the key of the proxy's certificate is. */
  readonly keyAlgorithm: string | undefined
  /** By which group the keys were exchanged. */
  readonly group: string | undefined
  /** How the proxy has signed the handshake. */
  readonly signatureScheme: string | undefined
  /** The client's certificate, as DER. */
  readonly certificate: Buffer | undefined
}
