import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { BaseServer, InternetAddress } from '../../lib/index.ts'
import * as face from '../../lib/index.ts'
import { type Example, markdownExamples, sourceExamples, sources } from '../support/examples.ts'
import { exchange, exchangeDatagram } from '../support/peers.ts'
import * as peers from '../support/peers.ts'
import { started } from '../support/readme-servers.ts'

const folder = '.build/examples'
const documented = [...sources('lib').flatMap(sourceExamples), ...markdownExamples('README.md')]

function fileOf(where: string): string {
  return `${basename(where).replace(/[^\w]+/g, '-')}.ts`
}

/** The example as a module: what it does not import itself, and what it only names as a type, is imported for it. */
function moduleOf({ code }: Example): string {
  const [own, body] = [code.match(/^import .*$/gm) ?? [], code.replace(/^import .*$/gm, '')]
  const given = own.join('\n').replace(/'it-socketserver'/g, "'../../spec/support/readme-module.ts'")
  const named = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(body) && !new RegExp(`\\b${name}\\b`).test(given)
  const values = Object.keys(face).filter(named)
  const types = typeNames.filter(named)
  const helpers = Object.keys(peers).filter(named)
  return [
    given,
    "import assert from 'node:assert/strict'",
    `import { ${[...values, ...types.map((name) => `type ${name}`)].join(', ')} } from '../../spec/support/readme-module.ts'`,
    `import { ${helpers.join(', ')} } from '../../spec/support/peers.ts'`,
    body,
    'export {}',
    ''
  ].join('\n')
}

const typeNames = ['Request', 'Stage', 'Outcome', 'RefusedEvent', 'Handler', 'Report', 'RFile', 'WFile', 'Work']

describe('the documented examples', () => {
  beforeAll(() => {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    for (const example of documented) writeFileSync(join(folder, fileOf(example.where)), moduleOf(example))
    const config = { extends: '../../tsconfig.json', compilerOptions: { noUnusedLocals: false }, include: ['*.ts'] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  })

  it('are there', () => {
    expect(documented.length).toBeGreaterThan(20)
  })

  it('compile', () => {
    const { stdout, status } = spawnSync('node_modules/.bin/tsc', ['-p', join(folder, 'tsconfig.json')], { encoding: 'utf8' })
    expect(stdout).toBe('')
    expect(status).toBe(0)
  })

  for (const example of documented) {
    it(`run: ${example.where}`, async () => {
      const module = join(process.cwd(), folder, fileOf(example.where))
      const running = import(/* @vite-ignore */ module) as Promise<unknown>
      const servers: BaseServer[] = []
      for (const { kind, input, reply } of example.tries) {
        if (servers.length === 0) servers.push(...((await once(started, 'listening')) as [BaseServer]))
        const { address } = servers[0] as BaseServer & { address: InternetAddress }
        const ask = kind === 'udp' ? exchangeDatagram : exchange
        expect(await ask(address, input)).toBe(reply)
      }
      for (const server of servers) await server.close()
      await running
    })
  }
})
