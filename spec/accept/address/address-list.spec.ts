import { BlockList } from 'node:net'
import { describe, expect, it } from 'vitest'
import { AddressList } from '../../../lib/index.ts'

const cases: [entry: string, has: string[], hasNot: string[]][] = [
  ['192.0.2.7', ['192.0.2.7', '::ffff:192.0.2.7', '::FFFF:C000:207'], ['192.0.2.8', '::192.0.2.7', '::ffff:192.0.2.8']],
  ['::ffff:192.0.2.7', ['192.0.2.7', '::ffff:192.0.2.7'], ['192.0.2.8']],
  ['2001:db8::1', ['2001:DB8:0:0::1', '2001:db8:0:0:0:0:0:1'], ['2001:db8::2', '2001:db8:1::1']],
  ['::', ['0:0:0:0:0:0:0:0'], ['::1', '0.0.0.0']],
  ['64:ff9b::192.0.2.7', ['64:ff9b::c000:207'], ['192.0.2.7']],
  ['10.0.0.0/8', ['10.0.0.0', '10.255.255.255', '::ffff:10.1.2.3'], ['9.255.255.255', '11.0.0.0', '::10.0.0.1']],
  ['10.0.0.9/32', ['10.0.0.9'], ['10.0.0.8', '10.0.0.10']],
  ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255', '::ffff:1.2.3.4'], ['::1', '::']],
  ['::ffff:10.0.0.0/104', ['10.1.2.3', '::ffff:10.1.2.3'], ['11.0.0.0', '::1']],
  ['::ffff:0:0/96', ['1.2.3.4'], ['::1']],
  ['::/0', ['::1', '2001:db8::1'], ['1.2.3.4', '::ffff:1.2.3.4']],
  ['2001:db8::/33', ['2001:db8:7fff::1'], ['2001:db8:8000::1']],
  ['2001:db8::/127', ['2001:db8::', '2001:db8::1'], ['2001:db8::2']],
  ['10.0.0.1-10.0.0.9', ['10.0.0.1', '10.0.0.5', '10.0.0.9', '::ffff:10.0.0.9'], ['10.0.0.0', '10.0.0.10', '::1']],
  ['10.0.0.255-10.0.1.1', ['10.0.1.0'], ['10.0.0.1', '10.0.1.2']],
  ['2001:db8::1-2001:db8::ff', ['2001:db8::80'], ['2001:db8::100', '2001:db8::', '10.0.0.1']],
  ['fe80::1', ['fe80::1', 'fe80::1%eth0', 'fe80::1%7'], ['fe80::2%eth0']],
  ['fe80::1%eth0', ['fe80::1%eth0', 'fe80:0::1%eth0'], ['fe80::1', 'fe80::1%eth1', 'fe80::2%eth0']],
  ['fe80::1%br-lan', ['fe80::1%br-lan'], ['fe80::1%br']],
  ['fe80::/10', ['fe80::1%eth0', 'febf::1'], ['fec0::1']]
]

describe('AddressList', () => {
  for (const [entry, has, hasNot] of cases) {
    it(`with ${entry}`, () => {
      const list = new AddressList([entry])
      for (const address of has) expect([address, list.has(address)]).toEqual([address, true])
      for (const address of hasNot) expect([address, list.has(address)]).toEqual([address, false])
    })
  }

  for (const [entry, why] of [
    ['localhost', 'it is no numeric address, and names are not looked up'],
    ['', 'it is no numeric address'],
    [' 10.0.0.1', 'it is no numeric address'],
    ['10.0.0', 'it is no numeric address'],
    ['010.0.0.1', 'it is no numeric address'],
    ['10.0.0.256', 'it is no numeric address'],
    ['10.0.0.0/33', 'the length of its prefix must be from 0 to 32'],
    ['10.0.0.0/', 'the length of its prefix must be from 0 to 32'],
    ['10.0.0.0/-1', 'the length of its prefix must be from 0 to 32'],
    ['10.0.0.0/1e1', 'the length of its prefix must be from 0 to 32'],
    ['10.0.0.0/255.0.0.0', 'the length of its prefix must be from 0 to 32'],
    ['::/129', 'the length of its prefix must be from 0 to 128'],
    ['::ffff:10.0.0.0/8', 'the length of its prefix must be from 96 to 128'],
    ['10.0.0.1/8', 'it is an address in a network: write 10.0.0.0/8, or the address alone'],
    ['2001:db8::1/64', 'it is an address in a network: write 2001:db8:0:0:0:0:0:0/64'],
    ['example/8', '"example" is no numeric address'],
    ['fe80::1%eth0/64', 'only an address alone may say its zone'],
    ['10.0.0.9-10.0.0.1', 'it ends before it begins'],
    ['2001:db8::2-2001:db8::1', 'it ends before it begins'],
    ['10.0.0.1-::1', 'one of its ends is IPv4 and the other one IPv6'],
    ['10.0.0.1-', '"" is no numeric address'],
    ['10.0.0.1 - 10.0.0.9', '"10.0.0.1 " is no numeric address'],
    ['10.0.0.1-10.0.0.2-10.0.0.3', 'a range has two ends'],
    ['unix:/run/socket', 'a Unix peer is unix:, whatever its path']
  ] as const) {
    it(`says what is wrong with ${JSON.stringify(entry)}`, () => {
      const make = (): AddressList => new AddressList(['10.0.0.1', entry])
      expect(make).toThrow(TypeError)
      expect(make).toThrow(`Cannot list the address ${JSON.stringify(entry)}: ${why}`)
    })
  }

  it('says what is wrong with what is no list, and no entry', () => {
    expect(() => new AddressList('10.0.0.1')).toThrow('takes an array of entries: got "10.0.0.1"')
    expect(() => new AddressList(7 as never)).toThrow('takes an array of entries: got 7')
    expect(() => new AddressList(null as never)).toThrow('takes an array of entries: got null')
    expect(() => new AddressList([7 as never])).toThrow('Cannot list the address 7: it is neither a string nor')
    expect(() => new AddressList().delete({} as never)).toThrow('Cannot list the address {}')
  })

  it('tells Unix peers by `unix:`, and never has one without an address', () => {
    const peer = { family: 'unix', path: '' } as const
    const everything = new AddressList(['0.0.0.0/0', '::/0'])
    expect(everything.has(peer)).toBe(false)
    expect(everything.add('unix:').has(peer)).toBe(true)
    expect(everything.has({ family: 'unix', path: '/run/client' })).toBe(true)
    expect(everything.has('unix:')).toBe(false)
    expect(everything.has(undefined)).toBe(false)
    expect(everything.has('')).toBe(false)
    expect(everything.has({ family: 'IPv4', host: '10.0.0.1', port: 80 })).toBe(true)
    expect(everything.delete('unix:')).toBe(true)
    expect(everything.has(peer)).toBe(false)
  })

  it('is changed while it is in use', () => {
    const list = new AddressList(['10.0.0.0/8'])
    expect(list.has('10.0.0.1')).toBe(true)
    list.add('192.0.2.0/24', '2001:db8::1', '192.0.3.1-192.0.3.9')
    for (const address of ['192.0.2.1', '2001:db8::1', '192.0.3.9']) expect(list.has(address)).toBe(true)
    expect(list.delete('10.0.0.0/8')).toBe(true)
    expect(list.delete('10.0.0.0/8')).toBe(false)
    expect(list.has('10.0.0.1')).toBe(false)
    expect(list.has('192.0.2.1')).toBe(true)
    expect(list.delete('2001:DB8:0::1')).toBe(true)
    expect(list.has('2001:db8::1')).toBe(false)
    expect(list.delete('192.0.3.1-192.0.3.9')).toBe(true)
    expect(list.has('192.0.3.9')).toBe(false)
    expect([...list]).toEqual(['192.0.2.0/24'])
    list.replace(['::1'])
    expect(list.has('192.0.2.1')).toBe(false)
    expect(list.has('::1')).toBe(true)
    expect(list.size).toBe(1)
  })

  it('holds what says the same once, and stays as it was where an entry is wrong', () => {
    const list = new AddressList(['10.0.0.1', '::ffff:10.0.0.1', '10.0.0.0/8', '::ffff:10.0.0.0/104'])
    expect([...list]).toEqual(['10.0.0.1', '10.0.0.0/8'])
    expect(() => list.add('10.0.0.2', 'nonsense')).toThrow('"nonsense"')
    expect(() => list.replace(['nonsense'])).toThrow('"nonsense"')
    expect([...list]).toEqual(['10.0.0.1', '10.0.0.0/8'])
    expect(list.has('10.0.0.2')).toBe(true)
    expect(list.delete('10.0.0.0/8')).toBe(true)
    expect(list.has('10.0.0.2')).toBe(false)
  })

  it('asks a net.BlockList each time, and is made of another list', () => {
    const blocked = new BlockList()
    const list = new AddressList(blocked)
    expect(list.has('10.0.0.1')).toBe(false)
    blocked.addAddress('10.0.0.1')
    blocked.addAddress('2001:db8::1', 'ipv6')
    for (const address of ['10.0.0.1', '::ffff:10.0.0.1', '2001:db8::1', '2001:db8::1%eth0']) {
      expect(list.has(address)).toBe(true)
    }
    const copy = new AddressList(list).add('192.0.2.1')
    expect(copy.has('10.0.0.1')).toBe(true)
    expect(list.has('192.0.2.1')).toBe(false)
    expect(list.delete(blocked)).toBe(true)
    expect(list.has('10.0.0.1')).toBe(false)
    expect(copy.has('10.0.0.1')).toBe(true)
  })
})
