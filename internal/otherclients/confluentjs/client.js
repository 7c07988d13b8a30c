// Confluent's JavaScript registry client and Avro serdes as one command.
//
//   serialize TOPIC REGISTRY     first line the schema, which is not used: the
//                                latest version is; then a value as JSON a
//                                line; prints framed bytes as hex
//   deserialize TOPIC REGISTRY   framed bytes as hex a line; prints each value
//                                as JSON
//
// Bytes are {"$bytes": "hex"}.
const readline = require('readline')
const sr = require('@confluentinc/schemaregistry')

const [, , mode, topic, url] = process.argv
sr.LocalKmsDriver.register()
sr.FieldEncryptionExecutor.register()
sr.EncryptionExecutor.register()
sr.JsonataExecutor.register()

function fromText(key, value) {
  if (value && typeof value === 'object' && '$bytes' in value) return Buffer.from(value.$bytes, 'hex')
  return value
}

function toText(value) {
  if (Buffer.isBuffer(value)) return { $bytes: value.toString('hex') }
  if (Array.isArray(value)) return value.map(toText)
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, toText(v)]))
  return value
}

async function main() {
  const lines = []
  for await (const line of readline.createInterface({ input: process.stdin })) if (line) lines.push(line)
  const client = new sr.SchemaRegistryClient({ baseURLs: [url] })
  const ruleConfig = { secret: process.env.LOCAL_SECRET }
  if (mode === 'serialize') {
    const s = new sr.AvroSerializer(client, sr.SerdeType.VALUE, { useLatestVersion: true, autoRegisterSchemas: false, ruleConfig })
    for (const line of lines.slice(1)) console.log((await s.serialize(topic, JSON.parse(line, fromText))).toString('hex'))
  } else {
    const d = new sr.AvroDeserializer(client, sr.SerdeType.VALUE, { ruleConfig })
    for (const line of lines) console.log(JSON.stringify(toText(await d.deserialize(topic, Buffer.from(line, 'hex')))))
  }
  process.exit(0)
}
main().catch((e) => { console.error(e); process.exit(1) })
