"""Fill in the verdicts of Confluent's Python client on CEL rules.

usage: python cel_py.py VERDICTS.json

Each case is a rule on the same message. The message is written by the client's
AvroSerializer, with a registry in memory. The verdict is the written message
("value"), "refused" for an unmet condition, or "error". Run it where
confluent-kafka[avro,schemaregistry,rules]==2.16.1 is installed.
"""

import copy
import io
import json
import sys

import fastavro
from confluent_kafka.schema_registry import Metadata, MetadataTags, Rule, RuleKind, RuleMode, RuleSet, Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.rules.cel.cel_executor import CelExecutor
from confluent_kafka.schema_registry.rules.cel.cel_field_executor import CelFieldExecutor
from confluent_kafka.schema_registry.serde import RuleConditionError
from confluent_kafka.serialization import MessageField, SerializationContext

CelExecutor.register()
CelFieldExecutor.register()


def binary(value):
    """The message with bytes: the table holds them as characters."""
    return dict(copy.deepcopy(value), raw=value["raw"].encode("latin-1"))


def plain(value):
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def causes(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def verdict(table, case, number):
    client = SchemaRegistryClient.new_client({"url": f"mock://{number}"})
    text = json.dumps(table["schema"])
    rule = Rule("r", "", RuleKind[case["kind"]], RuleMode.WRITE, case["type"], case.get("tags"), None, case["expr"], None, None, False)
    client.register_schema("orders-value", Schema(text, "AVRO", [], None, RuleSet(None, [rule])))
    serializer = AvroSerializer(client, text, conf={"auto.register.schemas": False, "use.latest.version": True})
    try:
        data = serializer(binary(table["message"]), SerializationContext("orders", MessageField.VALUE))
    except Exception as e:
        if any(isinstance(c, RuleConditionError) for c in causes(e)):
            return {"refused": True}
        if "-v" in sys.argv:
            print(case["expr"], repr(e)[:200], repr(e.__cause__)[:200])
        return {"error": True}
    schema = fastavro.parse_schema(table["schema"])
    return {"value": plain(fastavro.schemaless_reader(io.BytesIO(data[5:]), schema, None))}


path = sys.argv[1]
with open(path) as f:
    table = json.load(f)
for i, case in enumerate(table["cases"]):
    case["python"] = verdict(table, case, i)
    if case["python"].get("value") == plain(binary(table["message"])):
        case["python"] = {"unchanged": True}
with open(path, "w") as f:
    json.dump(table, f, indent=1, ensure_ascii=False)
    f.write("\n")
