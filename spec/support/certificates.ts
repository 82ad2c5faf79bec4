import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate and its key, PEM. */
export interface Identity {
  readonly cert: string
  readonly key: string
}

/** Where a certificate and its key are, for programs. */
export interface IdentityFiles {
  readonly certFile: string
  readonly keyFile: string
}

const folder = mkdtempSync(join(tmpdir(), 'it-socketserver-certificates-'))
const made = new Map<string, Identity>()
const files = new WeakMap<Identity, IdentityFiles>()

/** Where a file of that name is, or goes. */
export function certificateFile(name: string): string {
  return join(folder, name)
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
}

const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-days', '30']

function make(name: string, build: (key: string, cert: string) => void): Identity {
  let identity = made.get(name)
  if (identity === undefined) {
    const [keyFile, certFile] = [certificateFile(`${name}.key`), certificateFile(`${name}.pem`)]
    build(keyFile, certFile)
    identity = { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
    files.set(identity, { certFile, keyFile })
    made.set(name, identity)
  }
  return identity
}

/** Where they are, for programs. */
export function filesOf(identity: Identity): IdentityFiles {
  return files.get(identity) as IdentityFiles
}

/** A certificate authority; `other` is one that nobody trusts. */
export function authority(name: 'ca' | 'other' = 'ca'): Identity {
  return make(name, (key, cert) => {
    openssl('req', '-x509', ...curve, '-subj', `/CN=${name}`, '-keyout', key, '-out', cert)
  })
}

/** A certificate for that name, signed by the authority. `localhost` also is 127.0.0.1. */
export function identity(name: string, signer: 'ca' | 'other' = 'ca'): Identity {
  return make(`${name}-of-${signer}`, (key, cert) => {
    const { certFile, keyFile } = filesOf(authority(signer))
    const request = `${cert}.csr`
    const extensions = `${cert}.ext`
    const also = name === 'localhost' ? ',IP:127.0.0.1' : ''
    writeFileSync(extensions, `subjectAltName=DNS:${name}${also}\n`)
    openssl('req', '-new', ...curve.slice(0, -2), '-subj', `/CN=${name}`, '-keyout', key, '-out', request)
    const signed = ['-CA', certFile, '-CAkey', keyFile, '-CAcreateserial', '-days', '30', '-extfile', extensions]
    openssl('x509', '-req', '-in', request, ...signed, '-out', cert)
  })
}

/** The key of an identity, encrypted. */
export function encryptedKey(identity: Identity, passphrase: string): string {
  const { keyFile } = filesOf(identity)
  const file = `${keyFile}.encrypted`
  openssl('pkcs8', '-topk8', '-in', keyFile, '-v2', 'aes-256-cbc', '-passout', `pass:${passphrase}`, '-out', file)
  return readFileSync(file, 'utf8')
}

/** An identity as one encrypted bundle, PKCS#12. */
export function bundle(identity: Identity, passphrase: string): Buffer {
  const { certFile, keyFile } = filesOf(identity)
  const file = `${keyFile}.pfx`
  openssl('pkcs12', '-export', '-in', certFile, '-inkey', keyFile, '-passout', `pass:${passphrase}`, '-out', file)
  return readFileSync(file)
}
