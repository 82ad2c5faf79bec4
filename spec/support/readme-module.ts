export * from '../../lib/index.ts'
export { TCPServer, UDPServer, UnixStreamServer } from './readme-servers.ts'
