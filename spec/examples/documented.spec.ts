import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { InternetAddress } from '../../lib/index.ts'
import * as face from '../../lib/index.ts'
import * as testing from '../../lib/testing/entry.ts'
import { filesOf, identity } from '../support/certificates.ts'
import { type Example, markdownExamples, sourceExamples, sources } from '../support/examples.ts'
import * as peers from '../support/peers.ts'
import { exchange, exchangeDatagram, exchangeTLS } from '../support/peers.ts'
import {
  ForkingTCPServer,
  type Kind,
  type Started,
  started,
  TCPServer,
  ThreadingUnixStreamServer,
  TLSServer,
  UDPServer
} from '../support/readme-servers.ts'

const folder = '.build/examples'
const typeNames = ['Request', 'Stage', 'RefusedEvent']
const replaced = { ForkingTCPServer, TCPServer, ThreadingUnixStreamServer, TLSServer, UDPServer }
const asks = { tcp: exchange, tls: exchangeTLS, udp: exchangeDatagram }
const documented = [...sources('lib').flatMap(sourceExamples), ...markdownExamples('README.md')]

function fileOf(where: string): string {
  return `${basename(where).replace(/[^\w]+/g, '-')}.ts`
}

/** What it names of the entry point for tests. */
const testingNames = ({ code }: Example): string[] =>
  Object.keys(testing).filter((name) => new RegExp(`\\b${name}\\b`).test(code))

const ownImport = /^import \{ (.*) \} from 'it-socketserver'$/m

// What every example has, and what is found by its use.
const givenImports = /^import .* from '(?:it-socketserver\/testing|node:assert\/strict)'$/gm

/** What the example names: as it imports it itself, or, where it imports nothing of ours, whatever it uses. */
function namesOf({ code }: Example): string[] {
  const own = ownImport.exec(code)?.[1]
  if (own !== undefined) return own.split(', ')
  const uses = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(code)
  return [...Object.keys(face).filter(uses), ...typeNames.filter(uses).map((name) => `type ${name}`)]
}

// The names that people would use, for files that are there.
function withFiles(code: string): string {
  const { keyFile, certFile } = filesOf(identity('localhost'))
  return code.replace("'server.key'", JSON.stringify(keyFile)).replace("'server.crt'", JSON.stringify(certFile))
}

const otherModule = /^\/\/ (\w+\.js): (.+)$/gm

/** The modules that it tells of, and what it calls them here. */
function modulesOf({ where, code }: Example): { name: string; own: string; source: string }[] {
  return Array.from(code.matchAll(otherModule), ([, name = '', source = '']) => {
    return { name, source, own: fileOf(where).replace(/\.ts$/, `-${name}`) }
  })
}

function withModules(example: Example): string {
  return modulesOf(example).reduce((code, { name, own }) => code.replaceAll(`'./${name}'`, `'./${own}'`), example.code)
}

function moduleOf(example: Example): string {
  const names = namesOf(example)
  const isReplaced = (name: string): boolean => name in replaced
  const helpers = Object.keys(peers).filter((name) => example.code.includes(`${name}(`))
  return [
    "import assert from 'node:assert/strict'",
    `import { ${names.filter((name) => !isReplaced(name)).join(', ')} } from '../../lib/index.ts'`,
    `import { ${names.filter(isReplaced).join(', ')} } from '../../spec/support/readme-servers.ts'`,
    `import { ${helpers.join(', ')} } from '../../spec/support/peers.ts'`,
    `import { ${testingNames(example).join(', ')} } from '../../lib/testing/entry.ts'`,
    withFiles(withModules(example).replace(ownImport, '').replaceAll(givenImports, '')),
    'export {}',
    ''
  ].join('\n')
}

describe('the documented examples', () => {
  beforeAll(() => {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    for (const example of documented) {
      writeFileSync(join(folder, fileOf(example.where)), moduleOf(example))
      for (const { own, source } of modulesOf(example)) writeFileSync(join(folder, own), source)
    }
    const config = { extends: '../../tsconfig.json', compilerOptions: { noUnusedLocals: false }, include: ['*.ts'] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  })

  it('are there', () => {
    expect(documented.length).toBeGreaterThan(20)
  })

  it('compile', () => {
    const { stdout, status } = spawnSync('node_modules/.bin/tsc', ['-p', join(folder, 'tsconfig.json')], {
      encoding: 'utf8'
    })
    expect(stdout).toBe('')
    expect(status).toBe(0)
  })

  for (const example of documented) {
    it(`run: ${example.where}`, async () => {
      const module = join(process.cwd(), folder, fileOf(example.where))
      const servers: Started[] = []
      const meet = (server: Started): void => void servers.push(server)
      started.on('listening', meet)
      const running = import(/* @vite-ignore */ module) as Promise<unknown>
      for (const { kind, input, reply } of example.tries) {
        while (!servers.some((server) => server.kind === kind)) await once(started, 'listening')
        const [asked] = servers.filter((server) => server.kind === kind)
        expect(await asks[kind as Kind](asked?.server.address as InternetAddress, input)).toBe(reply)
      }
      started.off('listening', meet)
      for (const { server } of servers) if (example.tries.length > 0) await server.close()
      await running
    })
  }
})
