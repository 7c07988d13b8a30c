// Logical types for avsc, which brings none, and their JSON form:
// {"$decimal": "1.5"}, {"$micros": 7}, {"$bytes": "00ff"}.
const avsc = require('avsc')

class Decimal extends avsc.types.LogicalType {
  constructor(schema, opts) {
    super(schema, opts)
    this.scale = schema.scale || 0
    this.size = schema.size // of a fixed
  }

  _fromValue(bytes) {
    let n = 0n
    for (const b of bytes) n = n << 8n | BigInt(b)
    n = BigInt.asIntN(8 * bytes.length, n)
    const digits = (n < 0n ? -n : n).toString().padStart(this.scale + 1, '0')
    const at = digits.length - this.scale
    return { $decimal: (n < 0n ? '-' : '') + digits.slice(0, at) + (this.scale ? '.' + digits.slice(at) : '') }
  }

  _toValue(v) {
    if (!v || typeof v !== 'object' || !('$decimal' in v)) return undefined
    const [whole, part = ''] = v.$decimal.split('.')
    let n = BigInt(whole + part.padEnd(this.scale, '0'))
    let size = this.size
    if (!size) for (size = 1; BigInt.asIntN(8 * size, n) !== n;) size++
    const bytes = Buffer.alloc(size)
    for (let i = size - 1; i >= 0; i--, n >>= 8n) bytes[i] = Number(n & 255n)
    return bytes
  }
}

const timestamp = micros => class extends avsc.types.LogicalType {
  _fromValue(n) { return { $micros: n * micros } }
  _toValue(v) { return v && typeof v === 'object' && '$micros' in v ? v.$micros / micros : undefined }
}

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

const logicalTypes = { decimal: Decimal, 'timestamp-millis': timestamp(1000), 'timestamp-micros': timestamp(1) }
module.exports = { logicalTypes, fromText, toText }
