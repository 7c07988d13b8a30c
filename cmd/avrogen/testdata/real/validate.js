// Reads an AsyncAPI document and prints every problem that the parser reports.
// The status is 1 if there is an error.
const fs = require("fs");
const { Parser } = require("@asyncapi/parser");
const { AvroSchemaParser } = require("@asyncapi/avro-schema-parser");

async function main() {
  const parser = new Parser({ schemaParsers: [AvroSchemaParser()] });
  const { document, diagnostics } = await parser.parse(fs.readFileSync(process.argv[2], "utf8"));
  let errors = 0;
  for (const d of diagnostics) {
    if (d.severity === 0) errors++;
    console.log(`${["error", "warning", "info", "hint"][d.severity]} ${d.code} ${d.path.join("/")}: ${d.message}`);
  }
  if (document) {
    for (const c of document.channels()) {
      console.log(`channel ${c.address()}: ${c.messages().all().map((m) => m.name()).join(" ")}`);
    }
    console.log(`${document.components().messages().all().length} messages`);
  }
  process.exitCode = errors > 0 || !document ? 1 : 0;
}

main();
