// Fill in the verdicts of Confluent's JavaScript client on CEL rules.
//
//   usage: NODE_PATH=node_modules node cel_js.js VERDICTS.json
//
// Each case is a rule on the same message. The message is written by the
// client's AvroSerializer, with a registry in memory, and read again without
// rules. Run it where @confluentinc/schemaregistry@1.10.1 is installed.
//
// JavaScript has no integers beyond 2^53, so the message has a smaller number
// in such a place.
const fs = require('fs')
const sr = require('@confluentinc/schemaregistry')

sr.CelExecutor.register()
sr.CelFieldExecutor.register()

const path = process.argv[2]
// JSON.parse rounds large numbers. A text keeps them exact in the file.
const text = fs.readFileSync(path, 'utf8')
const exact = text.replace(/: (-?\d{16,})(?=[,\n])/g, ': "#$1#"')
const table = JSON.parse(exact)

const small = (v) => (typeof v === 'string' && /^#.*#$/.test(v) ? 9007199254740990 : v)

function message() {
  const m = JSON.parse(JSON.stringify(table.message), (_, v) => small(v))
  m.raw = Buffer.from(m.raw, 'latin1')
  return m
}

function plain(v) {
  if (Buffer.isBuffer(v)) return v.toString('latin1')
  if (Array.isArray(v)) return v.map(plain)
  if (v && typeof v === 'object') return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)]))
  return v
}

// causes are an error with the errors inside. The client keeps the text only.
function refused(e) {
  for (let at = e; at; at = at.cause) if (at instanceof sr.RuleConditionError || /Expr failed/.test(String(at))) return true
  return false
}

async function write(c, rules) {
  const client = new sr.MockClient({ baseURLs: ['mock://'] })
  const schema = { schemaType: 'AVRO', schema: JSON.stringify(table.schema) }
  if (rules) {
    schema.ruleSet = { domainRules: [{ name: 'r', kind: c.kind, mode: sr.RuleMode.WRITE, type: c.type, tags: c.tags, expr: c.expr }] }
  }
  await client.register('orders-value', schema, false)
  const conf = { useLatestVersion: true, autoRegisterSchemas: false }
  const data = await new sr.AvroSerializer(client, sr.SerdeType.VALUE, conf).serialize('orders', message())
  return plain(await new sr.AvroDeserializer(client, sr.SerdeType.VALUE, {}).deserialize('orders', data))
}

async function verdict(c, before) {
  let value
  try {
    value = await write(c, true)
  } catch (e) {
    if (refused(e)) return { refused: true }
    if (process.argv[3] === '-v') console.error(c.expr, String(e).slice(0, 200))
    return { error: true }
  }
  return JSON.stringify(value) === before ? { unchanged: true } : { value }
}

async function main() {
  const before = JSON.stringify(await write({}, false))
  for (const c of table.cases) c.javascript = await verdict(c, before)
  const out = JSON.stringify(table, null, 1).replace(/"#(-?\d+)#"/g, '$1')
  fs.writeFileSync(path, out + '\n')
}
main().catch((e) => { console.error(e); process.exit(1) })
