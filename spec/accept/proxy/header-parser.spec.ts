import { describe, expect, it } from 'vitest'
import { crc32cAround } from '../../../lib/accept/proxy/crc32c.ts'
import { HeaderParser } from '../../../lib/accept/proxy/header-parser.ts'
import { recordHeader, reviveHeader } from '../../../lib/accept/proxy/read-header.ts'
import { ProxyProtocolError } from '../../../lib/index.ts'
import { binary, block4, crc32c, line, path, signature, sslTLV, tlv } from '../../support/proxy-headers.ts'

const limit = 4_096

function parsed(input: Buffer | string): HeaderParser {
  const parser = new HeaderParser(limit)
  const bytes = Buffer.from(input)
  expect(parser.push(bytes)).toBe(bytes.length)
  expect(parser.missing).toBe(0)
  expect(parser.bytes).toEqual(bytes)
  return parser
}

function failure(input: Buffer | string, most = limit): string {
  const parser = new HeaderParser(most)
  try {
    parser.push(Buffer.from(input))
  } catch (error) {
    expect(error).toBeInstanceOf(ProxyProtocolError)
    expect(error).toMatchObject({ name: 'ProxyProtocolError', code: 'ERR_PROXY_PROTOCOL', reason: 'malformed' })
    return (error as Error).message.replace('Cannot read the PROXY header: ', '')
  }
  throw new Error(`It was read: ${JSON.stringify(parser.header)}`)
}

const client = { family: 'IPv4', host: '192.0.2.7', port: 4_711 }
const target = { family: 'IPv4', host: '198.51.100.1', port: 443 }
const nothing = {
  tlvs: [],
  alpn: undefined,
  authority: undefined,
  uniqueId: undefined,
  netns: undefined,
  ssl: undefined
}

describe('a header of version 1', () => {
  it('says where the client is, and where it wanted to go', () => {
    const { header } = parsed(line)
    expect(header).toEqual({ version: 1, command: 'PROXY', source: client, destination: target, ...nothing })
  })

  it('may be of IPv6, which is told in its one form', () => {
    const { header } = parsed('PROXY TCP6 2001:DB8:0:0:0:0:0:1 ::ffff:192.0.2.7 0 65535\r\n')
    expect(header?.source).toEqual({ family: 'IPv6', host: '2001:db8::1', port: 0 })
    expect(header?.destination).toEqual({ family: 'IPv6', host: '::ffff:192.0.2.7', port: 65_535 })
    const longest = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'
    expect(parsed(`PROXY TCP6 ${longest} ${longest} 65535 65535\r\n`).header?.source).toMatchObject({ host: longest })
  })

  it('may say nothing, and anything behind that is left alone', () => {
    const unknown = { version: 1, command: 'PROXY', source: undefined, destination: undefined, ...nothing }
    for (const rest of ['', ' ', ' ffff::1 ::1 65535 65535', ' \0 \xff what', ` ${'x'.repeat(91)}`]) {
      expect(parsed(Buffer.from(`PROXY UNKNOWN${rest}\r\n`, 'latin1')).header).toEqual(unknown)
    }
  })

  const wrong = {
    'TCP4 192.0.2.7 198.51.100.1 4711': 'its line does not hold two addresses and two ports',
    'TCP4 192.0.2.7 198.51.100.1 4711 443 ': 'its line does not hold two addresses and two ports',
    'TCP4  192.0.2.7 198.51.100.1 4711 443': 'its line does not hold two addresses and two ports',
    'TCP4\t192.0.2.7 198.51.100.1 4711 443': 'its protocol is none of TCP4, TCP6 and UNKNOWN',
    'TCP4 192.0.2.07 198.51.100.1 4711 443': 'an IPv4 address of it is none',
    'TCP4 192.0.2.256 198.51.100.1 4711 443': 'an IPv4 address of it is none',
    'TCP4 192.0.2 198.51.100.1 4711 443': 'an IPv4 address of it is none',
    'TCP4 192.0.2.7 ::1 4711 443': 'an IPv4 address of it is none',
    'TCP4 192.0.2.7 198.51.100.1 04711 443': 'a port of it is none',
    'TCP4 192.0.2.7 198.51.100.1 +4711 443': 'a port of it is none',
    'TCP4 192.0.2.7 198.51.100.1 -1 443': 'a port of it is none',
    'TCP4 192.0.2.7 198.51.100.1 4711 65536': 'a port of it is none',
    'TCP4 192.0.2.7 198.51.100.1 4711 1e3': 'a port of it is none',
    'TCP4 192.0.2.7 198.51.100.1 4711 0x10': 'a port of it is none',
    'TCP4 192.0.2.7 198.51.100.1 4711 ': 'a port of it is none',
    'TCP6 192.0.2.7 198.51.100.1 4711 443': 'an IPv6 address of it is none',
    'TCP6 fe80::1%lo fe80::2 4711 443': 'an IPv6 address of it is none',
    'TCP6 1::2::3 ::1 4711 443': 'an IPv6 address of it is none',
    'TCP6 [::1] ::1 4711 443': 'an IPv6 address of it is none',
    'TCP6 12345::1 ::1 4711 443': 'an IPv6 address of it is none',
    'UDP4 192.0.2.7 198.51.100.1 4711 443': 'its protocol is none of TCP4, TCP6 and UNKNOWN',
    'tcp4 192.0.2.7 198.51.100.1 4711 443': 'its protocol is none of TCP4, TCP6 and UNKNOWN',
    UNKNOWNS: 'its protocol is none of TCP4, TCP6 and UNKNOWN',
    ' TCP4 192.0.2.7 198.51.100.1 4711 443': 'its protocol is none of TCP4, TCP6 and UNKNOWN',
    'UNKNOWN \n': 'its line does not end with CR and LF',
    'UNKNOWN \r': 'its line does not end with CR and LF'
  }
  for (const [rest, why] of Object.entries(wrong)) {
    it(`is refused: ${JSON.stringify(rest)}`, () => {
      expect(failure(`PROXY ${rest}\r\n`)).toBe(why)
    })
  }

  it('has an end, and 107 bytes at most', () => {
    expect(failure('PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\nx')).toBe('its line does not end with CR and LF')
    expect(failure('PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\rx')).toBe('its line does not end with CR and LF')
    expect(parsed(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`).bytes.length).toBe(107)
    expect(failure(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`)).toBe('its line is longer than 107 bytes')
    expect(failure(`PROXY ${'x'.repeat(101)}`)).toBe('its line is longer than 107 bytes')
  })
})

describe('a header of version 2', () => {
  it('says where the client is, and where it wanted to go', () => {
    const { header } = parsed(binary())
    expect(header).toEqual({ version: 2, command: 'PROXY', source: client, destination: target, ...nothing })
  })

  it('may be of IPv6', () => {
    const block = Buffer.from(`20010db8${'0'.repeat(23)}1${'0'.repeat(20)}ffffc00002070000ffff`, 'hex')
    const { header } = parsed(binary({ family: 0x21, block }))
    expect(header?.source).toEqual({ family: 'IPv6', host: '2001:db8::1', port: 0 })
    expect(header?.destination).toEqual({ family: 'IPv6', host: '::ffff:192.0.2.7', port: 65_535 })
  })

  it('may be of Unix sockets: a path, an abstract name, none, one that fills its room', () => {
    const ends = (source: string, destination: string): unknown => {
      const block = Buffer.concat([path(source), path(destination)])
      const { header } = parsed(binary({ family: 0x31, block, tlvs: [tlv(0x02, 'name')] }))
      expect(header?.authority).toBe('name')
      return [header?.source, header?.destination]
    }
    const unix = (name: string): unknown => ({ family: 'unix', path: name })
    expect(ends('/run/a', '\0b')).toEqual([unix('/run/a'), unix('\0b')])
    expect(ends('', '/x'.repeat(54))).toEqual([unix(''), unix('/x'.repeat(54))])
  })

  it('may say nothing', () => {
    const { header } = parsed(binary({ family: 0, block: Buffer.alloc(0), tlvs: [tlv(0x04, 'pad')], summed: true }))
    expect(header).toMatchObject({ command: 'PROXY', source: undefined, destination: undefined })
    expect(header?.tlvs.map(({ type }) => type)).toEqual([0x04, 0x03])
  })

  it('is skipped where it is of the proxy itself, whatever stands in it', () => {
    const local = { version: 2, command: 'LOCAL', source: undefined, destination: undefined, ...nothing }
    for (const given of [
      { family: 0, block: Buffer.alloc(0) },
      { family: 0x11 },
      { family: 0xff, block: Buffer.alloc(3_000, 0xff) }
    ]) {
      expect(parsed(binary({ command: 0x20, ...given })).header).toEqual(local)
    }
  })

  it('has TLVs, of which the known ones are decoded', () => {
    const certificate = Buffer.from([0x30, 0x03])
    const tlvs = [
      tlv(0x01, 'h2'),
      tlv(0x02, 'bücher.example'),
      tlv(0x05, Buffer.from([1, 2, 3])),
      tlv(0x04, ''),
      tlv(0x04, 'x'),
      tlv(0xe0, 'mine'),
      tlv(0xe0, 'mine again'),
      tlv(0x30, 'blue'),
      sslTLV(
        0x03,
        0,
        tlv(0x21, 'TLSv1.3'),
        tlv(0x22, 'Jürgen'),
        tlv(0x23, 'TLS_AES_128_GCM_SHA256'),
        tlv(0x24, 'RSA-SHA256'),
        tlv(0x25, 'RSA2048'),
        tlv(0x26, 'secp256r1'),
        tlv(0x27, 'rsa_pss_rsae_sha256'),
        tlv(0x28, certificate),
        tlv(0x7f, 'else')
      )
    ]
    const { header } = parsed(binary({ tlvs, summed: true }))
    expect(header).toMatchObject({
      source: client,
      alpn: 'h2',
      authority: 'bücher.example',
      uniqueId: Buffer.from([1, 2, 3]),
      netns: 'blue',
      ssl: {
        encrypted: true,
        hasCertificate: true,
        authorized: true,
        version: 'TLSv1.3',
        commonName: 'Jürgen',
        cipher: 'TLS_AES_128_GCM_SHA256',
        signatureAlgorithm: 'RSA-SHA256',
        keyAlgorithm: 'RSA2048',
        group: 'secp256r1',
        signatureScheme: 'rsa_pss_rsae_sha256',
        certificate
      }
    })
    expect(header?.tlvs.map(({ type }) => type)).toEqual([1, 2, 5, 4, 4, 0xe0, 0xe0, 0x30, 0x20, 3])
    expect(header?.tlvs[6]).toEqual({ type: 0xe0, value: Buffer.from('mine again') })
  })

  it('tells who is authorized: who has shown a certificate, and a good one', () => {
    const ssl = (flags: number, verify: number): unknown =>
      parsed(binary({ tlvs: [sslTLV(flags, verify)] })).header?.ssl
    expect(ssl(0x01, 0)).toMatchObject({ encrypted: true, hasCertificate: false, authorized: false })
    expect(ssl(0x05, 0)).toMatchObject({ encrypted: true, hasCertificate: true, authorized: true })
    expect(ssl(0x03, 18)).toMatchObject({ encrypted: true, hasCertificate: true, authorized: false })
    expect(ssl(0x00, 0)).toMatchObject({ encrypted: false, hasCertificate: false, authorized: false })
  })

  const flipped = binary({ summed: true })
  flipped[17] = 1
  const ofAnotherLength = binary()
  ofAnotherLength.writeUInt16BE(11, 14)
  const wrong: Record<string, [header: Buffer, why: string]> = {
    'another version': [binary({ command: 0x11 }), 'it is of version 1'],
    'another command': [binary({ command: 0x22 }), 'its command is 2'],
    'UDP over IPv4': [binary({ family: 0x12 }), 'its family and transport are 0x12'],
    'UDP over IPv6': [binary({ family: 0x22, block: Buffer.alloc(36) }), 'its family and transport are 0x22'],
    'Unix datagrams': [binary({ family: 0x32, block: Buffer.alloc(216) }), 'its family and transport are 0x32'],
    'a family without transport': [binary({ family: 0x10 }), 'its family and transport are 0x10'],
    'a transport without family': [binary({ family: 0x01 }), 'its family and transport are 0x01'],
    'an unknown family': [binary({ family: 0x41 }), 'its family and transport are 0x41'],
    'short addresses': [ofAnotherLength.subarray(0, -1), 'its addresses are cut short'],
    'short addresses of IPv6': [binary({ family: 0x21 }), 'its addresses are cut short'],
    'short paths': [binary({ family: 0x31, block: Buffer.alloc(215) }), 'its addresses are cut short'],
    'a TLV without length': [binary({ tlvs: [Buffer.from([1, 0])] }), 'its last TLV is longer than its room'],
    'a TLV that is cut short': [
      binary({ tlvs: [tlv(1, 'h2').subarray(0, -1)] }),
      'its last TLV is longer than its room'
    ],
    'a block that is not of TLVs': [binary({ family: 0 }), 'its last TLV is longer than its room'],
    'a wrong checksum': [flipped, 'its checksum is that of another'],
    'a short checksum': [binary({ tlvs: [tlv(3, 'abc')] }), 'its checksum has 3 bytes'],
    'two checksums': [binary({ tlvs: [tlv(3, 'abcd')], summed: true }), 'its TLV of type 3 is there twice'],
    'two names': [binary({ tlvs: [tlv(2, 'a'), tlv(2, 'b')] }), 'its TLV of type 2 is there twice'],
    'a name that is no text': [binary({ tlvs: [tlv(2, Buffer.from([0xff]))] }), 'a name of it is not UTF-8'],
    'a long id': [binary({ tlvs: [tlv(5, Buffer.alloc(129))] }), 'its unique id is longer than 128 bytes'],
    'short TLS': [binary({ tlvs: [tlv(0x20, Buffer.alloc(4))] }), 'what it says of TLS is cut short'],
    'short values in TLS': [
      binary({ tlvs: [sslTLV(1, 0, Buffer.from([0x21, 0, 9, 0]))] }),
      'its last TLV is longer than its room'
    ]
  }
  for (const [what, [header, why]] of Object.entries(wrong)) {
    it(`is refused: ${what}`, () => {
      expect(failure(header)).toBe(why)
    })
  }

  it('has a bound, which is known before it has come', () => {
    const header = binary({ tlvs: [tlv(0xe0, Buffer.alloc(300))] })
    expect(failure(header.subarray(0, 16), header.length - 1)).toBe(
      `it has ${header.length} bytes, more than the limit of ${header.length - 1}`
    )
    expect(new HeaderParser(header.length).push(header)).toBe(header.length)
    const longest = binary({ command: 0x20, block: Buffer.alloc(65_535) })
    expect(new HeaderParser(65_551).push(longest)).toBe(65_551)
  })
})

describe('something else', () => {
  const others = [
    'GET / HTTP/1.1\r\n',
    '\x16\x03\x01',
    'SSH-2.0',
    'proxy TCP4',
    'PROXYTCP4',
    '\r\n\r\n\0\r\nQUIT\r',
    '\n',
    '\0'
  ]
  for (const other of others) {
    it(`is refused at the first byte that is wrong: ${JSON.stringify(other)}`, () => {
      expect(failure(other)).toBe('the connection does not begin with one')
    })
  }

  it('is nothing, as long as it could be a header', () => {
    for (const whole of [Buffer.from(line), binary()]) {
      for (let size = 0; size < whole.length; size++) {
        const parser = new HeaderParser(limit)
        expect(parser.push(whole.subarray(0, size))).toBe(size)
        expect(parser.missing).toBeGreaterThanOrEqual(whole.length - size)
        expect(parser.header).toBe(undefined)
      }
    }
  })
})

it('what follows a header is not looked at', () => {
  for (const whole of [Buffer.from(line), binary(), binary({ command: 0x20 })]) {
    const parser = new HeaderParser(limit)
    expect(parser.push(Buffer.concat([whole, Buffer.from('rest')]))).toBe(whole.length)
    expect(parser.push(Buffer.from('rest'))).toBe(0)
    expect(parser.bytes).toEqual(whole)
  }
})

it('a header arrives elsewhere as it was', () => {
  const proxyAddress = { family: 'IPv4', host: '127.0.0.1', port: 1 } as const
  for (const whole of [Buffer.from(line), binary({ tlvs: [tlv(0x01, 'h2'), sslTLV(1, 0)], summed: true })]) {
    const { header, bytes } = parsed(whole)
    const read = { header: { ...header!, proxyAddress }, bytes }
    expect(reviveHeader(JSON.parse(JSON.stringify(recordHeader(read))))).toEqual(read)
  }
})

it('the checksum is that of Castagnoli', () => {
  const digits = Buffer.from('123456789')
  expect(crc32cAround(digits, -4)).toBe(0xe3069283)
  expect(crc32c(digits)).toBe(0xe3069283)
  expect(crc32cAround(Buffer.concat([block4, signature]), 4)).toBe(
    crc32c(Buffer.concat([block4.subarray(0, 4), Buffer.alloc(4), block4.subarray(8), signature]))
  )
})
