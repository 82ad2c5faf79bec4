import { ProxyProtocolError } from '../../errors.ts'

/** The error of bytes that are no PROXY header. */
export function malformed(why: string): ProxyProtocolError {
  return new ProxyProtocolError(`Cannot read the PROXY header: ${why}`, 'malformed')
}
