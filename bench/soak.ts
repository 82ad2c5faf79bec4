import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Progress } from './harness/progress.ts'
import { Campaign, type Found } from './soak/campaign.ts'
import { makeCertificate } from './soak/certificate.ts'
import { readSoakOptions, type SoakOptions, usage } from './soak/options.ts'
import { stopServersAtExit } from './soak/server-child.ts'
import { Totals } from './soak/totals.ts'
import { tellVerdict } from './soak/verdict.ts'
import { writeSoak } from './soak/write-soak.ts'

// Milliseconds; where each is a line of its own, fewer.
const tellEvery = process.stderr.isTTY ? 1_000 : 30_000

async function soak(options: SoakOptions): Promise<void> {
  const { minutes, seed } = options
  stopServersAtExit()
  const totals = new Totals()
  const folder = await mkdtemp(join(tmpdir(), 'it-socketserver-soak-'))
  const campaign = new Campaign(options, { folder, certificate: makeCertificate(), totals })
  process.stdout.write(
    `Soak: ${campaign.servers} servers in ${campaign.processes} processes, for ${minutes} minutes, seed ${seed}, Node ${process.versions.node}\n`
  )
  const progress = new Progress()
  progress.start('Soak')
  const since = performance.now()
  const timer = setInterval(() => {
    const text = `${Math.round((performance.now() - since) / 1e3)} s, ${totals.inWords}`
    if (process.stderr.isTTY) progress.step(text)
    else process.stderr.write(`${text}\n`)
  }, tellEvery)
  totals.onFailure = (text) => {
    progress.stop()
    process.stderr.write(`Failure: ${text}\n`)
  }
  let found: Found | undefined
  try {
    found = await campaign.run()
  } catch (error) {
    totals.fail(error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    clearInterval(timer)
    progress.stop()
    await rm(folder, { recursive: true, force: true })
  }
  process.stdout.write(tellVerdict(totals, found))
  if (found !== undefined) process.stdout.write(await writeSoak(options, totals, found))
  process.stdout.write(`Seed ${seed}.\n`)
  process.exitCode = totals.failed ? 1 : 0
}

async function main(args: string[]): Promise<void> {
  let options: SoakOptions
  try {
    options = readSoakOptions(args)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    process.exitCode = 2
    return
  }
  if (options.help) process.stdout.write(usage)
  else await soak(options)
}

await main(process.argv.slice(2))
