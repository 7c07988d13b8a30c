// Confluent's JavaScript registry client and Avro serdes as one command.
//
//   serialize TOPIC REGISTRY     first line the schema, which is not used: the
//                                latest version is; then a value as JSON a
//                                line; prints framed bytes as hex
//   deserialize TOPIC REGISTRY   framed bytes as hex a line; prints each value
//                                as JSON
//
// logical.js has the JSON form of bytes, decimals and timestamps.
const readline = require('readline')
const sr = require('@confluentinc/schemaregistry')
const { logicalTypes, fromText, toText } = require('./logical.js')

const [, , mode, topic, url] = process.argv
sr.LocalKmsDriver.register()
sr.FieldEncryptionExecutor.register()
sr.EncryptionExecutor.register()
sr.JsonataExecutor.register()

async function main() {
  const lines = []
  for await (const line of readline.createInterface({ input: process.stdin })) if (line) lines.push(line)
  const client = new sr.SchemaRegistryClient({ baseURLs: [url] })
  const ruleConfig = { secret: process.env.LOCAL_SECRET }
  if (mode === 'serialize') {
    const s = new sr.AvroSerializer(client, sr.SerdeType.VALUE, { useLatestVersion: true, autoRegisterSchemas: false, ruleConfig, logicalTypes })
    for (const line of lines.slice(1)) console.log((await s.serialize(topic, JSON.parse(line, fromText))).toString('hex'))
  } else {
    const d = new sr.AvroDeserializer(client, sr.SerdeType.VALUE, { ruleConfig, logicalTypes })
    for (const line of lines) console.log(JSON.stringify(toText(await d.deserialize(topic, Buffer.from(line, 'hex')))))
  }
  process.exit(0)
}
main().catch((e) => { console.error(e); process.exit(1) })
