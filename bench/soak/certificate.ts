import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Certificate } from './orders.ts'

/** A certificate of its own making, for an hour or a week */
export function makeCertificate(): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'it-socketserver-soak-'))
  const [keyout, out] = [join(folder, 'key'), join(folder, 'cert')]
  try {
    const how = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-noenc',
      '-days',
      '8',
      '-subj',
      '/CN=localhost'
    ]
    execFileSync('openssl', ['req', '-x509', ...how, '-keyout', keyout, '-out', out], {
      stdio: ['ignore', 'ignore', 'pipe']
    })
    return { key: readFileSync(keyout, 'utf8'), cert: readFileSync(out, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
