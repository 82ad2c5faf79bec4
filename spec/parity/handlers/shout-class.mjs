import { BaseRequestHandler } from 'it-socketserver'

export default class Shout extends BaseRequestHandler {
  #line

  async setup() {
    this.#line = await this.rfile.readLine()
  }

  async handle() {
    await this.wfile.write(String(this.#line).toUpperCase())
  }

  async finish() {
    await this.wfile.write('bye\n')
  }
}
