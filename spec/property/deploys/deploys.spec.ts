import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Address } from '../../../lib/index.ts'
import { madeSocket } from '../../support/made-sockets.ts'
import { temporaryPath } from '../../support/peers.ts'
import { deployUnderLoad, lost } from './deploy.ts'
import { ownNetwork, whyNoNetwork } from './network.ts'

const backends = ['native', 'node'] as const
const modes = ['parallel', 'threads', 'forked'] as const

// By Node's own sockets from there on.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const canShare = { native: true, node: major > 22 || (major === 22 && minor >= 12) }

const noNetwork = whyNoNetwork()

/** On the port of the first one, which the kernel has chosen. */
const together = (address: Address | undefined): object => ({
  port: address === undefined || address.family === 'unix' ? 0 : address.port,
  reusePort: true
})

describe.for(backends)('a deploy (%s)', (backend) => {
  describe.for(modes)('in the mode %s', (mode) => {
    it.for([
      ['before the one before it is told to stop', true],
      ['when that has gone', false]
    ] as const)('loses nobody where servers inherit the socket, and the next one begins %s', async ([, overlap]) => {
      const { fd } = madeSocket('IPv4', 'stream', { backlog: 511 })
      const report = await deployUnderLoad({ mode, backend, overlap, where: () => ({ fd: 3 }), inherited: [fd] })
      expect(report.lost).toEqual({})
    })

    it('loses nobody where servers inherit the socket of a path, which stays', async () => {
      const path = temporaryPath()
      const { fd } = madeSocket({ path }, 'stream', { backlog: 511 })
      const inherit = { kind: 'UnixStreamServer', where: () => ({ fd: 3 }), inherited: [fd] } as const
      const report = await deployUnderLoad({ mode, backend, overlap: false, ...inherit })
      expect(report.lost).toEqual({})
      expect(existsSync(path)).toBe(true)
    })

    it.runIf(canShare[backend])(
      'loses nobody where servers share the port, and the kernel hands on what waits',
      async (context) => {
        context.skip(noNetwork !== undefined, noNetwork)
        const start = await ownNetwork(true)
        const report = await deployUnderLoad({ mode, backend, overlap: true, where: together, start })
        expect(report.lost).toEqual({})
      }
    )

    it.runIf(canShare[backend])('loses a few at most where servers share the port', async (context) => {
      context.skip(noNetwork !== undefined, noNetwork)
      const start = await ownNetwork(false)
      const report = await deployUnderLoad({ mode, backend, overlap: true, where: together, start })
      expect(lost(report)).toBeLessThanOrEqual(report.visits / 100)
    })
  })
})
