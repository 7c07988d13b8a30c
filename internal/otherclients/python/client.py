"""Confluent's Python client and serdes as one command.

read BROKERS TOPIC REGISTRY            every committed record, a JSON object a line
write BROKERS TOPIC REGISTRY [CODEC]   first line the schema, then a value as plain JSON a line
serialize TOPIC REGISTRY [LATEST [VERDICTS]]  first line the schema, then a value as JSON a line; prints framed bytes as
                                       hex, and with VERDICTS "refused" for a value that a rule refuses
deserialize TOPIC REGISTRY             framed bytes as hex a line; prints each value as JSON
container-write FILE CODEC             first line the schema, then a value as plain JSON a line, into an Avro container file

Instead of the schema the first line may be {"parts": [{"subject", "schema", "references":
[{"name", "subject", "version"}]}, ...]}: they are registered in that order, and the last is
the topic's.
"""

import datetime
import decimal
import json
import sys
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition, OFFSET_BEGINNING
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient, topic_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError


def plain(value):
    """JSON for what fastavro makes of logical types."""
    if isinstance(value, datetime.datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    raise TypeError(type(value))


def read(brokers, topic, registry):
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "judge", "isolation.level": "read_committed", "enable.auto.commit": False})
    partitions = [TopicPartition(topic, p, OFFSET_BEGINNING) for p in consumer.list_topics(topic, 20).topics[topic].partitions]
    ends = {p.partition: consumer.get_watermark_offsets(p, 20)[1] for p in partitions}
    consumer.assign(partitions)
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    ctx = SerializationContext(topic, MessageField.VALUE)
    while True:
        at = {p.partition: p.offset for p in consumer.position(partitions)}
        if all(at[p] >= end or (end == 0) for p, end in ends.items()):
            break
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            raise RuntimeError(message.error())
        value = deserialize(message.value(), ctx)
        key = message.key().decode() if message.key() is not None else None
        print(json.dumps({"partition": message.partition(), "offset": message.offset(), "key": key, "value": value}, default=plain))
    consumer.close()


def written_with(client, line):
    first = json.loads(line)
    if "parts" not in first:
        return line
    for part in first["parts"]:
        schema = Schema(part["schema"], "AVRO", [SchemaReference(**r) for r in part["references"]])
        client.register_schema(part["subject"], schema)
    return schema


def write(brokers, topic, registry, codec="none"):
    client = SchemaRegistryClient({"url": registry})
    schema = written_with(client, sys.stdin.readline())
    serialize = AvroSerializer(client, schema, conf={"subject.name.strategy": topic_subject_name_strategy})
    ctx = SerializationContext(topic, MessageField.VALUE)
    failures = []
    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "compression.type": codec})
    n = 0
    for line in sys.stdin:
        producer.produce(topic, serialize(json.loads(line), ctx), key=str(n), on_delivery=lambda e, _: e and failures.append(e))
        n += 1
    producer.flush()
    if failures:
        raise RuntimeError(failures[0])
    print(n)


def write_container(path, codec):
    import fastavro

    schema = fastavro.parse_schema(json.loads(sys.stdin.readline()))
    with open(path, "wb") as out:
        fastavro.writer(out, schema, map(json.loads, sys.stdin), codec=codec, sync_interval=1024)


def revive(obj):
    """Values that JSON lacks: {"$decimal": "1.5"}, {"$micros": 7}, {"$bytes": "00ff"}."""
    if "$decimal" in obj:
        return decimal.Decimal(obj["$decimal"])
    if "$micros" in obj:
        return EPOCH + datetime.timedelta(microseconds=obj["$micros"])
    if "$bytes" in obj:
        return bytes.fromhex(obj["$bytes"])
    return obj


def exact(value):
    """The inverse of revive."""
    if isinstance(value, decimal.Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, datetime.datetime):
        return {"$micros": (value.astimezone(datetime.timezone.utc) - EPOCH) // datetime.timedelta(microseconds=1)}
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    raise TypeError(type(value))


EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def rules():
    """The executors of encryption and CEL rules, and the local KMS with the secret of LOCAL_SECRET."""
    from confluent_kafka.schema_registry.rules.cel.cel_executor import CelExecutor
    from confluent_kafka.schema_registry.rules.cel.cel_field_executor import CelFieldExecutor
    from confluent_kafka.schema_registry.rules.encryption.encrypt_executor import EncryptionExecutor, FieldEncryptionExecutor
    from confluent_kafka.schema_registry.rules.encryption.localkms.local_driver import LocalKmsDriver

    LocalKmsDriver.register()
    for executor in (EncryptionExecutor, FieldEncryptionExecutor, CelExecutor, CelFieldExecutor):
        executor.register()


def serialize(topic, registry, latest="", verdicts=""):
    rules()
    client = SchemaRegistryClient({"url": registry})
    conf = {"subject.name.strategy": topic_subject_name_strategy}
    schema = sys.stdin.readline()
    if latest:
        conf.update({"auto.register.schemas": False, "use.latest.version": True})
    encode = AvroSerializer(client, schema, conf=conf)
    ctx = SerializationContext(topic, MessageField.VALUE)
    for line in sys.stdin:
        if line.strip():
            try:
                print(encode(json.loads(line, object_hook=revive), ctx).hex())
            except SerializationError:
                if not verdicts:
                    raise
                print("refused")


def deserialize(topic, registry):
    rules()
    decode = AvroDeserializer(SchemaRegistryClient({"url": registry}), conf={"subject.name.strategy": topic_subject_name_strategy})
    ctx = SerializationContext(topic, MessageField.VALUE)
    for line in sys.stdin:
        if line.strip():
            print(json.dumps(decode(bytes.fromhex(line.strip()), ctx), default=exact, sort_keys=True))


{"serialize": serialize, "deserialize": deserialize, "read": read, "write": write, "container-write": write_container}[sys.argv[1]](*sys.argv[2:])
