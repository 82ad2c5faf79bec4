/** Tells on stderr what is going on: in one line that is written over where it is a terminal, a line a row otherwise */
export class Progress {
  readonly #terminal = process.stderr.isTTY
  #row = ''

  start(row: string): void {
    this.#row = row
    if (!this.#terminal) process.stderr.write(`${row} …\n`)
  }

  step(text: string): void {
    if (this.#terminal) process.stderr.write(`\r\u001b[K${this.#row}: ${text}`)
  }

  stop(): void {
    if (this.#terminal) process.stderr.write('\r\u001b[K')
  }
}
