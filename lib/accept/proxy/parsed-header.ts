import type { ProxyHeader } from '../../proxy-header.ts'

/** What the bytes of a header say, whoever has sent them. */
export type ParsedHeader = Omit<ProxyHeader, 'proxyAddress'>

/** A header that says nothing but that it is one. */
export function bareHeader(version: 1 | 2, command: 'PROXY' | 'LOCAL'): ParsedHeader {
  return {
    version,
    command,
    source: undefined,
    destination: undefined,
    tlvs: [],
    alpn: undefined,
    authority: undefined,
    uniqueId: undefined,
    netns: undefined,
    ssl: undefined
  }
}
