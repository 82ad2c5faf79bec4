import { describe, expect, it } from 'vitest'
import { proxyProtocol, TCPServer, TLSServer, UnixStreamServer } from '../../../lib/index.ts'
import { certificates, temporaryPath } from '../../support/peers.ts'

describe('the option proxyProtocol', () => {
  const wrong: [given: object, message: RegExp][] = [
    [{}, /^Option trust must be a list of addresses: got undefined$/],
    [{ trust: '10.0.0.0/8' }, /^Option trust must be a list of addresses: got "10.0.0.0\/8"$/],
    [{ trust: [] }, /^Option trust is empty: nobody could connect$/],
    [{ trust: ['nobody'] }, /"nobody"/],
    [{ trust: ['::1'], timeout: 0 }, /^Option timeout must be/],
    [{ trust: ['::1'], timeout: '3s' }, /^Option timeout must be/],
    [{ trust: ['::1'], maxHeaderLength: 231 }, /^Option maxHeaderLength must be an integer from 232 to 65551/],
    [{ trust: ['::1'], maxHeaderLength: 65_552 }, /^Option maxHeaderLength must be/],
    [{ trust: ['::1'], maxConcurrent: 0 }, /^Option maxConcurrent must be/],
    [{ trust: ['::1'], maxHeaders: 1 }, /^proxyProtocol has no option maxHeaders/]
  ]
  for (const [given, message] of wrong) {
    it(`is checked at once: ${message}`, () => {
      const proxyOptions = given as { trust: string[] }
      expect(() => new TCPServer({ proxyProtocol: proxyOptions })).toThrow(message)
      expect(() => new TLSServer({ ...certificates(), proxyProtocol: proxyOptions })).toThrow(message)
      expect(() => new UnixStreamServer({ path: temporaryPath(), proxyProtocol: proxyOptions })).toThrow(message)
      expect(() => proxyProtocol(proxyOptions)).toThrow(message)
    })
  }

  it('trusts somebody who can come', () => {
    expect(() => new TCPServer({ proxyProtocol: { trust: ['unix:'] } })).toThrow(/nobody comes by a Unix socket$/)
    const path = temporaryPath()
    expect(() => new UnixStreamServer({ path, proxyProtocol: { trust: ['127.0.0.1'] } })).toThrow(
      /^Option trust must hold 'unix:' here/
    )
    new UnixStreamServer({ path, proxyProtocol: { trust: ['unix:', '127.0.0.1'] } })
    proxyProtocol({ trust: ['unix:'] })
  })
})
