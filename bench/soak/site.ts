import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { turnedAwayOutside } from './audit.ts'
import { DatagramClient, planDatagrams } from './datagram-client.ts'
import type { Certificate, Closed } from './orders.ts'
import type { Payloads } from './payload.ts'
import type { Random } from './random.ts'
import type { ServerChild } from './server-child.ts'
import { type ClientEnd, StreamClient } from './stream-client.ts'
import { planBrief, planStream } from './stream-plan.ts'
import { isStream, nameOf, type Subject } from './subject.ts'
import { type Target, targetOf } from './target.ts'
import type { Totals } from './totals.ts'
import { Windows } from './windows.ts'

const gentleDeadline = 45_000

export interface Ground {
  readonly folder: string
  readonly certificate: Certificate
  readonly payloads: Payloads
  readonly totals: Totals
}

/** A server under load: the same through all its successors */
export class Site {
  readonly subject: Subject
  readonly child: ServerChild
  readonly windows = new Windows()
  readonly #ground: Ground
  readonly #random: Random
  /** Whether it is never redeployed under load: what grows with the age of a server is seen there */
  readonly lasting: boolean
  #target: Target | undefined
  #deployed = 0
  /** Clients that did nothing wrong and were cut off, while something went on that excuses it */
  #cut = 0
  /** What the servers have counted that excuses it */
  #excused = 0

  constructor(subject: Subject, child: ServerChild, ground: Ground, random: Random) {
    this.subject = subject
    this.child = child
    this.#ground = ground
    this.#random = random.fork(nameOf(subject))
    this.lasting = this.#random.fork('lasting').chance(0.5)
  }

  get name(): string {
    return nameOf(this.subject)
  }

  get target(): Target {
    if (this.#target === undefined) throw new Error(`${this.name} is not deployed`)
    return this.#target
  }

  get random(): Random {
    return this.#random
  }

  get totals(): Totals {
    return this.#ground.totals
  }

  async deploy(): Promise<void> {
    const { folder, certificate } = this.#ground
    const path = join(folder, `${this.name.replaceAll(' ', '-')}-${++this.#deployed}`)
    const { id, address } = await this.child.ask('deploy', { subject: this.subject, path, certificate })
    this.#target = targetOf(id, address)
  }

  /** A successor takes the clients that come from now on; those inside may finish, within a deadline */
  async redeploy(deadline = gentleDeadline): Promise<void> {
    const old = this.target
    await this.deploy()
    await this.#close(old, deadline)
  }

  /** The last one closes */
  async close(): Promise<void> {
    const old = this.#target
    if (old === undefined) return
    this.#target = undefined
    await this.#close(old, gentleDeadline)
  }

  async #close(old: Target, deadline: number): Promise<void> {
    // Who is on the way there is let in.
    while (old.arriving > 0) await pause(5)
    const over = deadline === gentleDeadline ? undefined : this.windows.open('deadline')
    // A connection that waits for its next frame is closed with its server.
    const rested = this.subject.mode === 'framed' ? this.windows.open('at rest') : undefined
    const closed = await this.child.ask('close', { id: old.id, deadline })
    over?.()
    rested?.()
    this.totals.deployments++
    while (old.clients > 0) await pause(10)
    this.#judge(old, closed, over !== undefined)
  }

  /** One client, from its beginning to its end */
  async visit(random: Random): Promise<void> {
    if (isStream(this.subject.transport)) await this.#connection(random)
    else await this.#datagrams(random)
  }

  /** Many connections at once, which are left again at once; datagrams that nobody waits for */
  async flood(random: Random, count: number): Promise<void> {
    await Promise.all(
      Array.from({ length: count }, async () => {
        if (!isStream(this.subject.transport)) await this.#datagrams(random, 100)
        else {
          await this.#connect(planBrief(this.subject, random), random)
        }
      })
    )
  }

  async #connection(random: Random): Promise<void> {
    await this.#connect(planStream(this.subject, random, this.#ground.payloads), random)
  }

  async #connect(plan: ReturnType<typeof planStream>, random: Random): Promise<void> {
    const since = performance.now()
    const isUnix = this.subject.transport === 'unix'
    const from = isUnix ? undefined : `127.0.0.${random.integer(1, 4)}`
    const exits = plan.manner === 'exit' ? this.windows.open('kill') : undefined
    const { target } = this
    const client = new StreamClient(this.subject.transport, target, plan, from)
    const end = await client.run()
    exits?.()
    const excuses = this.windows.since(since)
    if (plan.honest && end === 'cut' && excuses.every((excuse) => excuse === 'at rest') && !client.hasWholeLines) {
      this.totals.fail(`${this.name}: a client (${plan.manner}) was cut off in the middle of a frame`)
    }
    this.#note(target, plan.manner, plan.honest, end, since, client.error)
  }

  async #datagrams(random: Random, largest?: number): Promise<void> {
    const since = performance.now()
    const plan = planDatagrams(this.subject, random, this.#ground.payloads, largest)
    const exits = plan.manner === 'exit' ? this.windows.open('kill') : undefined
    const { target } = this
    const client = new DatagramClient(this.subject.transport === 'unix-datagram', plan)
    let end = await client.run(
      () => this.target,
      (moment) => this.windows.since(moment).length > 0
    )
    // Who waited in vain has lost it in the kernel, or never.
    if (end === 'stuck' && this.subject.transport === 'udp') end = 'cut'
    exits?.()
    this.#note(target, plan.manner, plan.honest, end, since, client.error, client.unanswered)
  }

  #note(
    target: Target,
    manner: string,
    honest: boolean,
    end: ClientEnd,
    since: number,
    error: string | undefined,
    count = 1
  ): void {
    const { totals } = this
    totals.client(manner, end)
    const what = `${this.name}: a client (${manner})`
    const after = `after ${Math.round(performance.now() - since)} ms${error === undefined ? '' : ` (${error})`}`
    if (end === 'wrong') totals.fail(`${what} got something else than what it should, ${after}`)
    if (end === 'stuck') totals.fail(`${what} was neither served nor cut off, ${after}`)
    if (!honest || end === 'whole' || end === 'wrong' || end === 'stuck') return
    const excuses = this.windows.since(since)
    // Of UDP the kernel drops what it has no room for, and counts it.
    if (excuses.length === 0 && this.subject.transport === 'udp') excuses.push('lost')
    if (excuses.length === 0)
      target.mysteries.push(`${what} was ${end === 'cut' ? 'cut off' : 'not let in'} without a reason, ${after}`)
    else this.#cut += count
    for (const excuse of excuses) totals.excuse(excuse)
  }

  #judge(target: Target, { stats, counts, lostInKernel, report, complaints }: Closed, harsh: boolean): void {
    const { totals, subject } = this
    const fail = (text: string): void => totals.fail(`${this.name}: ${text}`)
    for (const complaint of complaints) fail(complaint)
    for (const mystery of target.mysteries) {
      totals.fail(
        `${mystery}; its server had cut off for ${JSON.stringify(counts.aborted)}, and closed with ${JSON.stringify(report)}`
      )
    }
    if (!harsh && report.aborted > 0) fail(`${report.aborted} were cut off at the deadline of a close that had time`)
    const outside = turnedAwayOutside(subject, stats)
    const [least, most] = [stats.accepted + outside.least, stats.accepted + outside.most]
    if (target.arrived < least || target.arrived > most + lostInKernel) {
      fail(`${target.arrived} came to it, and it knows of ${least === most ? least : `${least} to ${most}`}`)
    }
    if (stats.bytesIn > target.sent) fail(`It has counted ${stats.bytesIn} bytes in, and ${target.sent} were sent`)
    const killed = counts.aborted['worker-gone'] ?? 0
    if (killed === 0 && stats.bytesIn < target.wholeIn)
      fail(`It has counted ${stats.bytesIn} bytes in, and ${target.wholeIn} are known`)
    if (killed === 0 && stats.bytesOut < target.wholeOut)
      fail(`It has counted ${stats.bytesOut} bytes out, and ${target.wholeOut} came`)
    totals.server(stats, counts, lostInKernel)
    const { suspended, connections, address, verify } = stats.refusedBy
    const refused = suspended + connections + address + verify
    this.#excused += killed + refused + report.aborted + stats.refusedBy.closing
    this.#excused += stats.droppedBy.suspended + stats.droppedBy.closing + lostInKernel
    if (subject.mode === 'framed') this.#excused += report.finished
  }

  /** To be asked when all is over */
  settle(): void {
    if (this.#cut <= this.#excused) return
    this.totals.fail(
      `${this.name}: ${this.#cut} clients were cut off or not answered, and the servers know of ${this.#excused}`
    )
  }
}
