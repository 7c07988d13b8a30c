"""Fill in the verdicts of the JSONata library of Confluent's Python client.

usage: python jsonata_py.py VERDICTS.json js.json

js.json is the output of jsonata_js.js. A case gets the verdict of JavaScript
only where it differs. No value is null. Run it where
confluent-kafka[rules]==2.16.1 is installed.
"""

import json
import sys

import jsonata


def verdict(expr, message):
    try:
        result = jsonata.Jsonata(expr).evaluate(json.loads(json.dumps(message)))
    except Exception:  # any exception stops a record
        return {"error": True}
    try:
        return {"value": json.loads(json.dumps(result))}
    except TypeError:
        return {"function": True}


path = sys.argv[1]
with open(path) as f:
    table = json.load(f)
with open(sys.argv[2]) as f:
    javascript = json.load(f)
for case, other in zip(table["cases"], javascript, strict=True):
    case["python"] = verdict(case["expr"], table["message"])
    case.pop("javascript", None)
    if json.dumps(other, sort_keys=True) != json.dumps(case["python"], sort_keys=True):
        case["javascript"] = other
with open(path, "w") as f:
    json.dump(table, f, indent=1, ensure_ascii=False)
    f.write("\n")
