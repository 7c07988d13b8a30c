// Print the verdicts of the JSONata library of Confluent's JavaScript client as
// a JSON array, for jsonata_py.py.
//
//   usage: NODE_PATH=node_modules node jsonata_js.js VERDICTS.json > js.json
//
// Run it where @confluentinc/schemaregistry@1.10.1 is installed. JavaScript has
// no integers beyond 2^53, so the message is read with this loss.
const fs = require('fs')
const jsonata = require('jsonata')

async function verdict(expr, message) {
  try {
    const result = await jsonata(expr).evaluate(JSON.parse(JSON.stringify(message)))
    if (typeof result === 'function') return { function: true }
    return { value: result === undefined ? null : JSON.parse(JSON.stringify(result)) }
  } catch (e) {
    return { error: true }
  }
}

async function main() {
  const table = JSON.parse(fs.readFileSync(process.argv[2]))
  const verdicts = []
  for (const c of table.cases) verdicts.push(await verdict(c.expr, table.message))
  console.log(JSON.stringify(verdicts))
}
main()
