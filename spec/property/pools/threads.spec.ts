import { describe, it } from 'vitest'
import { type StreamRequest, threads } from '../../../lib/index.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'
import { besiege, bothWays } from './siege.ts'

checkNothingUnhandled()

describe.for(['native', 'node'] as const)('of a crowd of connections (%s), threads', (backend) => {
  it.for(['throws', 'rejects', 'exits', 'hoards', 'loops'])(
    'in which something %s take their own with them, and no others',
    async (mood) => {
      const mode = threads<StreamRequest>(new URL('moody-echo.mjs', import.meta.url), {
        size: 3,
        limit: 12,
        spares: 2,
        timeout: 500,
        env: { ...process.env, MOOD: mood },
        resourceLimits: { maxOldGenerationSizeMb: 24 }
      })
      await besiege({ backend, mode, until: bothWays })
    }
  )
})
