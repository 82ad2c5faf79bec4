import { setTimeout as pause } from 'node:timers/promises'
import { type Exhaustion, exhaust } from './exhaustion.ts'
import { commitFault } from './faults.ts'
import { type GroupGrowth, GrowthWatch, judgeGrowth } from './growth.ts'
import { Payloads } from './payload.ts'
import { Random } from './random.ts'
import { ServerChild } from './server-child.ts'
import { type Ground, Site } from './site.ts'
import { type Choice, groupOf, isStream, type Subject, subjectsOf } from './subject.ts'

export interface Plan extends Choice {
  readonly minutes: number
  readonly seed: number
}

export interface Found {
  readonly groups: readonly GroupGrowth[]
  readonly exhaustions: readonly Exhaustion[]
}

const clientsOfStream = 4
const clientsOfDatagrams = 3
const shareOfWarmUp = 0.15
const longestWarmUp = 20
const samples = 120

/** A whole soak: warm-up, a look at the servers at rest, load and faults, another look */
export class Campaign {
  readonly #plan: Plan
  readonly #ground: Ground
  readonly #random: Random
  readonly #sites: Site[]
  readonly #watches: GrowthWatch[]
  readonly #exhaustions: Exhaustion[] = []
  #until = 0
  #flooding = false

  constructor(plan: Plan, ground: Omit<Ground, 'payloads'>) {
    this.#plan = plan
    this.#random = new Random(plan.seed)
    this.#ground = { ...ground, payloads: new Payloads(this.#random.fork('payloads')) }
    const subjects = subjectsOf(plan)
    const children = new Map([...new Set(subjects.map(groupOf))].map((name) => [name, new ServerChild(name)]))
    this.#sites = subjects.map(
      (subject) => new Site(subject, children.get(groupOf(subject)) as ServerChild, this.#ground, this.#random)
    )
    this.#watches = [...children.values()].map((child) => new GrowthWatch(child))
  }

  get servers(): number {
    return this.#sites.length
  }

  get processes(): number {
    return this.#watches.length
  }

  async run(): Promise<Found> {
    const seconds = this.#plan.minutes * 60
    const warmUp = Math.min(longestWarmUp, seconds * shareOfWarmUp)
    try {
      await this.#load(warmUp, false)
      await Promise.all(this.#watches.map((watch) => watch.begin()))
      await this.#load(seconds - warmUp, true)
      await Promise.all(this.#watches.map((watch) => watch.finish()))
      for (const site of this.#sites) site.settle()
    } finally {
      await this.#stop()
    }
    const groups = this.#watches.map((watch) => watch.found())
    for (const group of groups) for (const wrong of judgeGrowth(group)) this.#ground.totals.fail(wrong)
    return { groups, exhaustions: this.#exhaustions }
  }

  async #load(seconds: number, measured: boolean): Promise<void> {
    await Promise.all(this.#sites.map((site) => site.deploy()))
    const since = performance.now()
    this.#until = since + seconds * 1e3
    const going = this.#sites.flatMap((site) => this.#busy(site, measured ? 'load' : 'warm-up'))
    if (measured) going.push(this.#sample(since, seconds), this.#exhaust(seconds))
    await Promise.all(going)
    await Promise.all(this.#sites.map((site) => site.close()))
  }

  get #isOver(): boolean {
    return performance.now() >= this.#until
  }

  /** Those who come again and again, and what befalls their server */
  #busy(site: Site, phase: string): Promise<void>[] {
    const count = isStream(site.subject.transport) ? clientsOfStream : clientsOfDatagrams
    const fork = (name: string): Random => site.random.fork(`${phase} ${name}`)
    const clients = Array.from({ length: count }, (_, index) => this.#clients(site, fork(`client ${index}`)))
    return [...clients, this.#faults(site, fork('faults'))]
  }

  async #clients(site: Site, random: Random): Promise<void> {
    while (!this.#isOver) {
      await this.#pause(random.size(20, 900))
      if (this.#isOver) return
      if (random.chance(0.003) && !this.#flooding) await this.#flood(site, random)
      else await site.visit(random)
    }
  }

  async #flood(site: Site, random: Random): Promise<void> {
    this.#flooding = true
    site.totals.fault('flood')
    await site.flood(random, random.integer(30, 80))
    this.#flooding = false
  }

  async #faults(site: Site, random: Random): Promise<void> {
    // In a short run some, too.
    const longest = Math.min(8_000, (this.#until - performance.now()) / 2)
    while (!this.#isOver) {
      await this.#pause(random.integer(Math.min(500, longest / 4), longest))
      if (this.#isOver) return
      try {
        await commitFault(site, random)
      } catch (error) {
        site.totals.fail(error instanceof Error ? error.message : String(error))
        return
      }
    }
  }

  async #pause(milliseconds: number): Promise<void> {
    await pause(Math.max(0, Math.min(milliseconds, this.#until - performance.now())))
  }

  async #sample(since: number, seconds: number): Promise<void> {
    const every = Math.max(500, (seconds * 1e3) / samples)
    while (!this.#isOver) {
      await this.#pause(every)
      if (this.#isOver) return
      // One after the other: a garbage collection stops what else the machine does.
      for (const watch of this.#watches) await watch.look((performance.now() - since) / 1e3)
    }
  }

  async #exhaust(seconds: number): Promise<void> {
    const wanted = this.#sites
      .map(({ subject }) => subject)
      .filter(({ transport, mode }) => mode === 'parallel' && (transport === 'tcp' || transport === 'unix'))
    const measured = Math.min(4, Math.max(1, seconds / 20))
    for (const at of seconds > 60 ? [0.2, 0.7] : [0.3]) {
      await this.#pause(this.#until - seconds * 1e3 * (1 - at) - performance.now())
      for (const subject of wanted) await this.#exhaustOne(subject, measured)
    }
  }

  async #exhaustOne(subject: Subject, seconds: number): Promise<void> {
    const { totals } = this.#ground
    totals.fault('no descriptors left')
    try {
      this.#exhaustions.push(await exhaust(subject, this.#ground, seconds))
    } catch (error) {
      totals.fail(error instanceof Error ? error.message : String(error))
    }
  }

  /** Ends every process, and looks at what they leave behind */
  async #stop(): Promise<void> {
    const { totals } = this.#ground
    for (const { child } of this.#watches) {
      try {
        for (const complaint of await child.ask('complaints', undefined)) totals.fail(`${child.name}: ${complaint}`)
      } catch (error) {
        totals.fail(error instanceof Error ? error.message : String(error))
      }
      const left = await child.stop()
      if (left.length > 0) totals.fail(`${child.name}: ${left.length} processes were left behind`)
      if (child.printed !== '') totals.fail(`${child.name} has printed: ${child.printed}`)
    }
  }
}
