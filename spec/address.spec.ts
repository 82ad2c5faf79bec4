import { describe, expect, it } from 'vitest'
import { type Address, formatAddress } from '../lib/index.ts'

describe('formatAddress', () => {
  const cases: [Address | undefined, string][] = [
    [{ family: 'IPv4', host: '127.0.0.1', port: 80 }, '127.0.0.1:80'],
    [{ family: 'IPv4', host: '0.0.0.0', port: 0 }, '0.0.0.0:0'],
    [{ family: 'IPv6', host: '::1', port: 80 }, '[::1]:80'],
    [{ family: 'IPv6', host: '::ffff:127.0.0.1', port: 65_535 }, '[::ffff:127.0.0.1]:65535'],
    [{ family: 'IPv6', host: 'fe80::1%eth0', port: 1 }, '[fe80::1%eth0]:1'],
    [{ family: 'unix', path: '/run/app.sock' }, '/run/app.sock'],
    [{ family: 'unix', path: '' }, 'unix:(unnamed)'],
    [undefined, '(no address)']
  ]

  for (const [address, text] of cases) {
    it(`writes ${text}`, () => {
      expect(formatAddress(address)).toBe(text)
    })
  }
})
