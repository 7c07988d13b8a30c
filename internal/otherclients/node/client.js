// KafkaJS and its registry client as one command.
//
//   read BROKERS TOPIC REGISTRY     every record, a JSON object a line
//   write BROKERS TOPIC REGISTRY    first line the schema, then a value as plain JSON a line
const readline = require('readline')
const { Kafka, logLevel } = require('kafkajs')
const { SchemaRegistry, SchemaType } = require('@kafkajs/confluent-schema-registry')

const [, , mode, brokers, topic, host] = process.argv
const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.ERROR })
const registry = new SchemaRegistry({ host })
// avsc reads a long beyond 2^53 only with help; the events here have none.

async function read() {
  const admin = kafka.admin()
  await admin.connect()
  const left = new Map()
  for (const p of await admin.fetchTopicOffsets(topic)) {
    if (Number(p.high) > Number(p.low)) left.set(p.partition, Number(p.high))
  }
  await admin.disconnect()
  const consumer = kafka.consumer({ groupId: 'judge-' + process.pid, readUncommitted: false })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, e => reject(e.payload.error))
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        const value = await registry.decode(message.value)
        console.log(JSON.stringify({ partition, offset: Number(message.offset), key: message.key && message.key.toString(), value }))
        if (Number(message.offset) + 1 >= left.get(partition)) left.delete(partition)
        if (left.size === 0) resolve()
      },
    })
  })
  await consumer.disconnect()
}

async function write() {
  const lines = []
  for await (const line of readline.createInterface({ input: process.stdin })) lines.push(line)
  const { id } = await registry.register({ type: SchemaType.AVRO, schema: lines[0] }, { subject: topic + '-value', compatibility: 'NONE' })
  const producer = kafka.producer()
  await producer.connect()
  const messages = await Promise.all(lines.slice(1).map(async (l, i) => ({ key: String(i), value: await registry.encode(id, JSON.parse(l)) })))
  await producer.send({ topic, acks: -1, messages })
  await producer.disconnect()
  console.log(messages.length)
}

({ read, write })[mode]().then(() => process.exit(0), e => { console.error(e); process.exit(1) })
