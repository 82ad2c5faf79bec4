import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { networkKey } from '../../../lib/accept/address/network-key.ts'
import { type Counted, Occupancy } from '../../../lib/accept/stream/occupancy.ts'
import type { Address } from '../../../lib/index.ts'
import { runs } from '../../property/runs.ts'
import { streamLimits } from '../../support/limits.ts'

const hosts = ['192.0.2.1', '192.0.2.2', '2001:db8::1']
const keyOf = (host: string) => networkKey(host, { ipv4: 32, ipv6: 64 })
const from = (host: string): Address => ({ family: 'IPv4', host, port: 1 })

describe('the count of open connections', () => {
  it('tells that there is room again where it has said that there was none, and only then', () => {
    const limits = streamLimits({ maxConnections: 2 })
    const roomMade = vi.fn()
    const occupancy = new Occupancy(limits, roomMade)
    occupancy.enter()
    expect(occupancy.isFull).toBe(false)
    occupancy.enter()
    occupancy.leave(undefined)
    expect(roomMade).not.toHaveBeenCalled()
    occupancy.enter()
    expect(occupancy.isFull).toBe(true)
    occupancy.leave(undefined)
    expect(roomMade).toHaveBeenCalledOnce()
    occupancy.leave(undefined)
    expect(roomMade).toHaveBeenCalledOnce()
  })

  it('looks at the limits as they are now', () => {
    const limits = streamLimits({ maxConnections: 1 })
    const roomMade = vi.fn()
    const occupancy = new Occupancy(limits, roomMade)
    occupancy.enter()
    expect(occupancy.isFull).toBe(true)
    occupancy.look()
    expect(roomMade).not.toHaveBeenCalled()
    limits.maxConnections = 2
    occupancy.look()
    expect(roomMade).toHaveBeenCalledOnce()
    limits.maxConnections = 1
    occupancy.enter()
    expect(occupancy.isFull).toBe(true)
    occupancy.leave(undefined)
    expect(roomMade).toHaveBeenCalledOnce()
    expect(occupancy.isFull).toBe(true)
    occupancy.leave(undefined)
    expect(roomMade).toHaveBeenCalledTimes(2)
  })

  it('knows no address of Unix clients, nor of those that have none', () => {
    const occupancy = new Occupancy(streamLimits({ maxConnectionsPerAddress: 1 }), () => {})
    for (let i = 0; i < 3; i++) {
      expect(occupancy.count({ family: 'unix', path: '/same' })).toBe(undefined)
      expect(occupancy.count(undefined)).toBe(undefined)
    }
  })

  it('of each address, is what a model says, whoever comes and leaves and however the limit changes', () => {
    const step = fc.oneof(
      { arbitrary: fc.record({ comes: fc.constantFrom(...hosts) }), weight: 5 },
      { arbitrary: fc.record({ leaves: fc.nat() }), weight: 4 },
      { arbitrary: fc.record({ most: fc.constantFrom(1, 2, 3, Number.POSITIVE_INFINITY) }), weight: 1 }
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const limits = streamLimits({ maxConnectionsPerAddress: 2 })
        const occupancy = new Occupancy(limits, () => {})
        const inside: Counted[] = []
        for (const action of steps) {
          if ('most' in action) limits.maxConnectionsPerAddress = action.most
          else if ('leaves' in action) {
            if (inside.length > 0) occupancy.leave(inside.splice(action.leaves % inside.length, 1)[0])
          } else {
            const open = inside.filter((counted) => counted === keyOf(action.comes)).length
            const counted = occupancy.count(from(action.comes))
            if (open >= limits.maxConnectionsPerAddress) expect(counted).toBe(false)
            else
              expect(counted).toBe(
                limits.maxConnectionsPerAddress === Number.POSITIVE_INFINITY ? undefined : keyOf(action.comes)
              )
            if (counted === false) continue
            occupancy.enter()
            inside.push(counted)
          }
          expect(occupancy.open).toBe(inside.length)
        }
        for (const counted of inside) occupancy.leave(counted)
        expect(occupancy.open).toBe(0)
        limits.maxConnectionsPerAddress = 1
        for (const host of hosts) expect(occupancy.count(from(host))).toBe(keyOf(host))
      }),
      { numRuns: runs(200) }
    )
  })
})
