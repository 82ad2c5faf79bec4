/** What is printed to stderr while something runs; it is kept from the terminal. */
export async function printedDuring(run: () => Promise<unknown>): Promise<string> {
  const { write } = process.stderr
  let printed = ''
  process.stderr.write = (text: string | Uint8Array) => {
    printed += Buffer.from(text).toString()
    return true
  }
  try {
    await run()
  } finally {
    process.stderr.write = write
  }
  return printed
}
