// KafkaJS and its registry client as one command. KafkaJS itself brings none and
// gzip; the other codecs are registered here.
//
//   read BROKERS TOPIC REGISTRY            every record, a JSON object a line
//   write BROKERS TOPIC REGISTRY [CODEC]   first line the schema, then a value as plain JSON a line
//   serialize TOPIC REGISTRY               first line the schema, then a value as JSON a line; prints framed bytes as hex
//   deserialize TOPIC REGISTRY             framed bytes as hex a line; prints each value as JSON
//
// logical.js has the JSON form of bytes, decimals and timestamps for the last two.
const readline = require('readline')
const { Kafka, logLevel, CompressionTypes, CompressionCodecs } = require('kafkajs')
const { SchemaRegistry, SchemaType } = require('@kafkajs/confluent-schema-registry')
const snappy = require('snappyjs')
const lz4 = require('lz4js')
const xxh32 = require('lz4js/xxh32')
const zstd = require('@bokuweb/zstd-wasm')

const { logicalTypes, fromText, toText } = require('./logical.js')

const [, , mode, ...args] = process.argv
const withKafka = mode === 'read' || mode === 'write'
const [topic, host, codec = 'none'] = withKafka ? args.slice(1) : args
const kafka = withKafka && new Kafka({ brokers: args[0].split(','), logLevel: logLevel.ERROR })
const registry = new SchemaRegistry({ host }, withKafka ? undefined : { [SchemaType.AVRO]: { logicalTypes } })
// avsc reads a long beyond 2^53 only with help; the events here have none.

// Java puts snappy into blocks behind a header of snappy-java, others write it bare.
const snappyJava = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
function uncompressSnappy(data) {
  if (!data.subarray(0, 8).equals(snappyJava)) return snappy.uncompress(data)
  const blocks = []
  for (let at = 16; at < data.length;) {
    const size = data.readInt32BE(at)
    blocks.push(Buffer.from(snappy.uncompress(data.subarray(at + 4, at + 4 + size))))
    at += 4 + size
  }
  return Buffer.concat(blocks)
}

// lz4js does not say of its blocks that they are independent, which Kafka wants to
// hear. A frame below 4 MB has one block.
function compressLZ4(data) {
  const frame = Buffer.from(lz4.compress(data))
  frame[4] |= 0x20
  frame[6] = xxh32.hash(0, frame, 4, 2) >> 8
  return frame
}

const codecOf = (compress, decompress) => () => ({
  compress: async encoder => Buffer.from(compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(decompress(buffer)),
})
CompressionCodecs[CompressionTypes.Snappy] = codecOf(snappy.compress, uncompressSnappy)
CompressionCodecs[CompressionTypes.LZ4] = codecOf(compressLZ4, lz4.decompress)
CompressionCodecs[CompressionTypes.ZSTD] = codecOf(zstd.compress, zstd.decompress)

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
    // The end of a partition may be no message, but what a transaction's end leaves.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
      if (Number(lastOffset) + 1 >= left.get(partition)) left.delete(partition)
      if (left.size === 0) resolve()
    })
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        const value = await registry.decode(message.value)
        console.log(JSON.stringify({ partition, offset: Number(message.offset), key: message.key && message.key.toString(), value }))
      },
    })
  })
  await consumer.disconnect()
}

async function input() {
  const lines = []
  for await (const line of readline.createInterface({ input: process.stdin })) if (line) lines.push(line)
  return lines
}

const register = schema => registry.register({ type: SchemaType.AVRO, schema }, { subject: topic + '-value', compatibility: 'NONE' })

async function serialize() {
  const [schema, ...lines] = await input()
  const { id } = await register(schema)
  for (const line of lines) console.log((await registry.encode(id, JSON.parse(line, fromText))).toString('hex'))
}

async function deserialize() {
  for (const line of await input()) console.log(JSON.stringify(toText(await registry.decode(Buffer.from(line, 'hex')))))
}

async function write() {
  const lines = await input()
  const { id } = await register(lines[0])
  const producer = kafka.producer()
  await producer.connect()
  const compression = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy, lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD }[codec]
  const messages = await Promise.all(lines.slice(1).map(async (l, i) => ({ key: String(i), value: await registry.encode(id, JSON.parse(l)) })))
  await producer.send({ topic, acks: -1, compression, messages })
  await producer.disconnect()
  console.log(messages.length)
}

zstd.init().then({ read, write, serialize, deserialize }[mode]).then(() => process.exit(0), e => { console.error(e); process.exit(1) })
