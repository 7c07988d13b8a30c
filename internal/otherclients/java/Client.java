import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.file.CodecFactory;
import org.apache.avro.file.DataFileReader;
import org.apache.avro.file.DataFileWriter;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.io.JsonEncoder;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's and Avro's own Java clients as one command.
 *
 * <pre>
 * read BROKERS TOPIC REGISTRY [SCHEMA]   every committed record, a JSON object a line; as SCHEMA where it is given
 * write BROKERS TOPIC REGISTRY CODEC     first line the schema, then a value in Avro JSON a line, keyed by the line's number
 * container-read FILE                    every value of an Avro container file, in Avro JSON, a line each
 * container-write FILE CODEC             first line the schema, then a value in Avro JSON a line, into a container file
 * partition COUNT                        a key in hex a line: the partition that the default partitioner chooses
 * </pre>
 */
public class Client {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final HttpClient HTTP = HttpClient.newHttpClient();

  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "read" -> read(args[1], args[2], args[3], args.length > 4 ? args[4] : null);
      case "write" -> write(args[1], args[2], args[3], args[4]);
      case "container-read" -> readContainer(args[1]);
      case "container-write" -> writeContainer(args[1], args[2]);
      case "partition" -> partition(Integer.parseInt(args[1]));
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  static void partition(int count) throws Exception {
    var in = new BufferedReader(new InputStreamReader(System.in));
    var out = new StringBuilder();
    for (String line; (line = in.readLine()) != null; ) {
      out.append(BuiltInPartitioner.partitionForKey(HexFormat.of().parseHex(line), count)).append('\n');
    }
    System.out.print(out);
  }

  static void read(String brokers, String topic, String registry, String readerText) throws Exception {
    var props = new Properties();
    props.put("bootstrap.servers", brokers);
    props.put("isolation.level", "read_committed");
    props.put("enable.auto.commit", "false");
    var reader = readerText == null ? null : new Schema.Parser().parse(readerText);
    Map<Integer, Schema> writers = new HashMap<>();
    try (var consumer = new KafkaConsumer<>(props, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      List<TopicPartition> partitions = new ArrayList<>();
      consumer.partitionsFor(topic).forEach(p -> partitions.add(new TopicPartition(topic, p.partition())));
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      var ends = consumer.endOffsets(partitions);
      while (ends.entrySet().stream().anyMatch(e -> consumer.position(e.getKey()) < e.getValue())) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
          System.out.println(line(record, reader, registry, writers));
        }
      }
    }
  }

  static String line(ConsumerRecord<byte[], byte[]> record, Schema reader, String registry, Map<Integer, Schema> writers)
      throws Exception {
    ObjectNode out = JSON.createObjectNode();
    out.put("partition", record.partition());
    out.put("offset", record.offset());
    out.put("key", record.key() == null ? null : new String(record.key(), StandardCharsets.UTF_8));
    if (record.value() == null) {
      return out.putNull("value").toString();
    }
    ByteBuffer data = ByteBuffer.wrap(record.value());
    if (data.get() != 0) {
      throw new IllegalStateException("no schema id at " + record.partition() + "@" + record.offset());
    }
    int id = data.getInt();
    Schema writer = writers.get(id);
    if (writer == null) {
      writer = new Schema.Parser().parse(call("GET", registry + "/schemas/ids/" + id, null).get("schema").asText());
      writers.put(id, writer);
    }
    Schema as = reader == null ? writer : reader;
    BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(record.value(), 5, record.value().length - 5, null);
    Object value = new GenericDatumReader<>(writer, as).read(null, decoder);
    if (!decoder.isEnd()) {
      throw new IllegalStateException("bytes behind the value at " + record.partition() + "@" + record.offset());
    }
    var text = new ByteArrayOutputStream();
    JsonEncoder encoder = EncoderFactory.get().jsonEncoder(as, text);
    new GenericDatumWriter<>(as).write(value, encoder);
    encoder.flush();
    out.put("id", id);
    out.set("value", JSON.readTree(text.toByteArray()));
    return out.toString();
  }

  static void write(String brokers, String topic, String registry, String codec) throws Exception {
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    String text = in.readLine();
    Schema schema = new Schema.Parser().parse(text);
    JsonNode answer = call("POST", registry + "/subjects/" + topic + "-value/versions", JSON.createObjectNode().put("schema", text));
    int id = answer.get("id").asInt();
    var props = new Properties();
    props.put("bootstrap.servers", brokers);
    props.put("compression.type", codec);
    props.put("acks", "all");
    props.put("linger.ms", "50");
    try (var producer = new KafkaProducer<>(props, new ByteArraySerializer(), new ByteArraySerializer())) {
      int n = 0;
      for (String line; (line = in.readLine()) != null; n++) {
        Object value = new GenericDatumReader<>(schema).read(null, DecoderFactory.get().jsonDecoder(schema, line));
        var bytes = new ByteArrayOutputStream();
        bytes.write(ByteBuffer.allocate(5).put((byte) 0).putInt(id).array());
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
        new GenericDatumWriter<>(schema).write(value, encoder);
        encoder.flush();
        byte[] key = Integer.toString(n).getBytes(StandardCharsets.UTF_8);
        producer.send(new ProducerRecord<>(topic, key, bytes.toByteArray()), (metadata, failure) -> {
          if (failure != null) {
            failure.printStackTrace();
            System.exit(1);
          }
        });
      }
      producer.flush();
      System.out.println(n);
    }
  }

  static void readContainer(String file) throws Exception {
    try (var reader = new DataFileReader<Object>(new File(file), new GenericDatumReader<>())) {
      Schema schema = reader.getSchema();
      for (Object value : reader) {
        var text = new ByteArrayOutputStream();
        JsonEncoder encoder = EncoderFactory.get().jsonEncoder(schema, text);
        new GenericDatumWriter<>(schema).write(value, encoder);
        encoder.flush();
        System.out.println(JSON.readTree(text.toByteArray()));
      }
    }
  }

  static void writeContainer(String file, String codec) throws Exception {
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Schema schema = new Schema.Parser().parse(in.readLine());
    try (var writer = new DataFileWriter<Object>(new GenericDatumWriter<>(schema))) {
      writer.setCodec(CodecFactory.fromString(codec));
      writer.setSyncInterval(1024);
      writer.create(schema, new File(file));
      for (String line; (line = in.readLine()) != null; ) {
        writer.append(new GenericDatumReader<>(schema).read(null, DecoderFactory.get().jsonDecoder(schema, line)));
      }
    }
  }

  static JsonNode call(String method, String url, JsonNode body) throws Exception {
    var request = HttpRequest.newBuilder(URI.create(url)).header("Content-Type", "application/vnd.schemaregistry.v1+json")
        .method(method, body == null ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(body.toString()))
        .build();
    HttpResponse<String> response = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
    if (response.statusCode() != 200) {
      throw new IllegalStateException(method + " " + url + ": " + response.statusCode() + " " + response.body());
    }
    return JSON.readTree(response.body());
  }
}
