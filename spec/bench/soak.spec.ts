import { describe, expect, it } from 'vitest'
import { audit, turnedAwayOutside } from '../../bench/soak/audit.ts'
import { type GroupGrowth, judgeGrowth, type Point } from '../../bench/soak/growth.ts'
import type { Counts } from '../../bench/soak/ledger.ts'
import { readSoakOptions } from '../../bench/soak/options.ts'
import { Payloads } from '../../bench/soak/payload.ts'
import { Random } from '../../bench/soak/random.ts'
import { nameOf, type Subject, servingModes, subjectsOf, transports } from '../../bench/soak/subject.ts'
import { median, slopeOf } from '../../bench/soak/theil-sen.ts'
import { Totals } from '../../bench/soak/totals.ts'
import { tellVerdict } from '../../bench/soak/verdict.ts'
import { Watch } from '../../bench/soak/watch.ts'
import { Windows } from '../../bench/soak/windows.ts'
import type { Request } from '../../lib/index.ts'
import { zeroStats } from '../../lib/stats.ts'
import { turns } from '../support/turns.ts'

const tcp: Subject = { transport: 'tcp', backend: 'native', mode: 'parallel' }

function counted(stats: Partial<ReturnType<typeof zeroStats>> = {}) {
  return { ...zeroStats(), open: 0, waiting: 0, ...stats }
}

function counts(some: Partial<Counts> = {}): Counts {
  return {
    ...{ accepted: 0, refused: {}, dropped: {}, handshakes: 0, acceptErrors: 0, undelivered: 0 },
    ...{ starts: 0, ends: 0, frameStarts: 0, frameEnds: 0 },
    ...{ fulfilled: 0, unfulfilled: 0, frameFulfilled: 0, frameUnfulfilled: 0, aborted: {} },
    ...some
  }
}

describe('the audit of a soaked server', () => {
  const stats = { accepted: 5, served: 3, failed: 1, refused: 1, refusedBy: { ...zeroStats().refusedBy, verify: 1 } }
  const told = { accepted: 5, refused: { verify: 1 }, starts: 4, ends: 4, fulfilled: 3, unfulfilled: 1 }

  it('finds nothing where all adds up', () => {
    expect(audit(tcp, counted(stats), counts(told))).toEqual([])
  })

  it.each([
    ['one that was accepted and neither served nor refused', { accepted: 6 }, { accepted: 6 }],
    ['one that was served twice', { served: 4 }, {}],
    ['a failure that nobody told of', { failed: 2 }, {}],
    ['an accepted one without its event', {}, { accepted: 4 }],
    ['a refusal without its event', {}, { refused: {} }],
    ['a refusal without a reason', { refused: 2 }, {}],
    ['a start without an end', {}, { ends: 3 }],
    ['a second end', {}, { ends: 5 }],
    ['a frame without an end', {}, { frameStarts: 1 }],
    ['one that is open still', { open: 1 }, {}],
    ['one that waits still', { waiting: 1 }, {}]
  ])('finds %s', (_what, wrong, alsoWrong) => {
    expect(audit(tcp, counted({ ...stats, ...wrong }), counts({ ...told, ...alsoWrong }))).not.toEqual([])
  })

  it('knows who was turned away before it was counted', () => {
    const refusedBy = { ...zeroStats().refusedBy, suspended: 2, connections: 1, closing: 4, verify: 8 }
    const node = { ...tcp, backend: 'node' } as const
    expect(turnedAwayOutside(node, counted({ refused: 15, refusedBy }))).toEqual({ least: 3, most: 7 })
    expect(turnedAwayOutside(tcp, counted({ refused: 15, refusedBy }))).toEqual({ least: 3, most: 3 })
  })
})

describe('the watch over a mode', () => {
  it('sees more at a time than the bound, and a key that is out of order', async () => {
    const seen: string[] = []
    const watch = new Watch((text) => seen.push(text))
    const requests = Array.from({ length: 9 }, () => ({}) as Request)
    for (const request of requests) watch.keyOf(request)
    const never = watch.over(() => new Promise(() => {}), 1)
    const at = (index: number): Request => requests[index] as Request
    void never(at(4))
    expect(seen).toEqual([])
    void never(at(1))
    expect(seen.splice(0)).toEqual(['2 requests were served at a time, and 1 is the bound'])
    const free = new Watch((text) => seen.push(text))
    for (const request of requests) free.keyOf(request)
    const done = free.over(async () => {}, 40)
    for (const index of [0, 4, 8]) await done(at(index))
    expect(seen).toEqual([])
    await done(at(4))
    expect(seen.splice(0)).toEqual(['A request was served after one of its key that came later'])
    void done(at(1))
    void done(at(5))
    await turns(1)
    expect(seen).toEqual(['Two requests of one key were served at a time'])
  })
})

describe('the growth of a soaked process', () => {
  const sample = { heap: 20_000_000, resident: 1, descriptors: 21, resources: { TCPSocketWrap: 1 }, open: 0 }
  const points = (heap: (minute: number) => number): Point[] =>
    Array.from({ length: 40 }, (_, index) => ({ ...sample, at: index * 15, processes: 0, heap: heap(index / 4) }))
  const level: GroupGrowth = { name: 'tcp', points: points(() => 20_000_000), start: sample, end: sample, heapSlope: 0 }

  it('is none where all is as it was, and where the heap goes up and down', () => {
    expect(judgeGrowth(level)).toEqual([])
    const noisy = points((minute) => 20_000_000 + (minute % 1 === 0 ? 9_000_000 : 0))
    expect(judgeGrowth({ ...level, points: noisy })).toEqual([])
  })

  it.each([
    ['a descriptor that is left', { end: { ...sample, descriptors: 22 } }],
    ['one too few', { end: { ...sample, descriptors: 20 } }],
    ['a timer that is left', { end: { ...sample, resources: { ...sample.resources, Timeout: 1 } } }],
    ['a heap that is larger', { end: { ...sample, heap: 26_000_000 } }],
    ['a heap that grows', { heapSlope: 2_000_000 }]
  ])('is seen: %s', (_what, wrong) => {
    expect(judgeGrowth({ ...level, ...wrong })).toHaveLength(1)
  })

  it('goes by slopes that outliers do not turn', () => {
    const line = Array.from({ length: 21 }, (_, x) => ({ x, y: 3 * x + (x === 20 ? 1_000 : 0) }))
    expect(slopeOf(line)).toBe(3)
    expect(slopeOf([])).toBe(0)
    expect(median([4, 1, 3, 2])).toBe(2.5)
  })
})

describe('the choices of a soak', () => {
  it('are the same for the same seed, whatever others choose meanwhile', () => {
    const choices = (busy: boolean): number[] => {
      const random = new Random(7)
      if (busy) random.fork('another').next()
      const own = random.fork('own')
      return Array.from({ length: 5 }, () => {
        if (busy) random.next()
        return own.next()
      })
    }
    expect(choices(true)).toEqual(choices(false))
    expect(new Random(8).fork('own').next()).not.toBe(new Random(7).fork('own').next())
  })

  it('come as often as their weights say, and never without', () => {
    const random = new Random(1)
    const chosen = Array.from({ length: 4_000 }, () => random.weighted({ often: 3, seldom: 1, never: 0 }))
    const often = chosen.filter((name) => name === 'often').length / chosen.length
    expect(chosen).not.toContain('never')
    expect(Math.abs(often - 0.75)).toBeLessThan(0.05)
  })

  it('are of lines that are whole, and say what to do', () => {
    const random = new Random(3)
    const payloads = new Payloads(random)
    for (let i = 0; i < 50; i++) {
      const text = payloads.lines(random, random.size(1, 100_000)).toString('latin1')
      expect(text.endsWith('\n')).toBe(true)
      const lines = text.slice(0, -1).split('\n')
      expect(lines.every((line) => line.startsWith('e'))).toBe(true)
    }
  })

  it('are among every transport by every backend in every mode that there is', () => {
    const all = subjectsOf({ transports, modes: servingModes })
    expect(new Set(all.map(nameOf)).size).toBe(all.length)
    expect(all).toHaveLength(3 * 2 * 7 + 2 * 6 + 6)
    expect(subjectsOf({ transports: ['unix-datagram'], modes: ['framed'] })).toEqual([])
  })
})

describe('what excuses that a client was cut off', () => {
  it('is what goes on, or went on since the client came', () => {
    const windows = new Windows()
    const before = performance.now()
    expect(windows.since(before)).toEqual([])
    const over = windows.open('kill')
    expect(windows.since(performance.now())).toEqual(['kill'])
    over()
    expect(windows.since(before)).toEqual(['kill'])
    expect(windows.since(performance.now() + 60_000)).toEqual([])
  })
})

describe('the verdict', () => {
  it('is told in words, each sort of failure once', () => {
    const totals = new Totals()
    totals.client('at once', 'whole')
    expect(tellVerdict(totals, undefined)).toContain('Nothing was lost')
    totals.fail('tcp: 3 were lost')
    totals.fail('tcp: 17 were lost')
    expect(totals.failed).toBe(true)
    expect(tellVerdict(totals, undefined)).toContain('- tcp: 3 were lost (2 times alike)')
    expect(tellVerdict(totals, undefined)).not.toContain('Nothing was lost')
  })
})

describe('the command line of a soak', () => {
  it('is read, and filters', () => {
    const options = readSoakOptions(['--minutes', '0.5', '--seed', '9', '--transport', 'udp', '--transport', 'tcp'])
    expect(options).toMatchObject({
      minutes: 0.5,
      seed: 9,
      transports: ['tcp', 'udp'],
      modes: servingModes,
      keep: false
    })
    expect(readSoakOptions([])).toMatchObject({ minutes: 2, transports })
  })

  it.each([
    ['--minutes', '0'],
    ['--minutes', 'two'],
    ['--seed', '1.5'],
    ['--seed', '-1'],
    ['--transport', 'sctp'],
    ['--mode', 'fast'],
    ['--fast']
  ])('refuses %s %s', (...args) => {
    expect(() => readSoakOptions(args)).toThrow()
  })
})
