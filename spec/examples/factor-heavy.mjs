const mostTold = 1_000

/** Runs in a child: it computes for as long as it takes, and nobody else waits. */
export default async function heavy({ rfile, wfile }) {
  const answers = new Map()
  for await (const line of rfile.lines({ limit: 64 })) {
    const asked = line.toString().trim()
    const answer = `${answerTo(asked)}\n`
    if (answers.size < mostTold) answers.set(asked, answer)
    await wfile.write(answer)
  }
  return answers
}

function answerTo(asked) {
  const number = Number(asked)
  if (!(/^\d+$/.test(asked) && Number.isSafeInteger(number) && number > 1)) return 'a whole number, please'
  return factorsOf(number).join(' ')
}

function factorsOf(number) {
  const factors = []
  let rest = number
  for (let divisor = 2; divisor * divisor <= rest; divisor += divisor === 2 ? 1 : 2) {
    while (rest % divisor === 0) {
      factors.push(divisor)
      rest /= divisor
    }
  }
  return rest > 1 ? [...factors, rest] : factors
}
