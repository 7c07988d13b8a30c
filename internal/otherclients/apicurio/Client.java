import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.apicurio.registry.serde.avro.AvroKafkaDeserializer;
import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.io.JsonEncoder;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Apicurio's own Avro serdes, which speak its core API, as one command. What follows the registry's address are settings
 * of the serdes, without their "apicurio.registry.".
 *
 * <pre>
 * read BROKERS TOPIC REGISTRY [KEY=VALUE …]    every committed record, a JSON object a line
 * write BROKERS TOPIC REGISTRY [KEY=VALUE …]   first line the schema, then a value in Avro JSON a line, keyed by the line's number
 * </pre>
 */
public class Client {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    Map<String, Object> settings = new HashMap<>();
    settings.put("bootstrap.servers", args[1]);
    settings.put("apicurio.registry.url", args[3]);
    for (int i = 4; i < args.length; i++) {
      String[] setting = args[i].split("=", 2);
      settings.put("apicurio.registry." + setting[0], setting[1]);
    }
    switch (args[0]) {
      case "read" -> read(args[2], settings);
      case "write" -> write(args[2], settings);
      default -> throw new IllegalArgumentException(args[0]);
    }
    System.exit(0); // its HTTP client leaves threads behind
  }

  static void write(String topic, Map<String, Object> settings) throws Exception {
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Schema schema = new Schema.Parser().parse(in.readLine());
    var serializer = new AvroKafkaSerializer<GenericRecord>();
    serializer.configure(settings, false);
    try (var producer = new KafkaProducer<>(settings, new StringSerializer(), serializer)) {
      int n = 0;
      for (String line; (line = in.readLine()) != null; n++) {
        GenericRecord value = new GenericDatumReader<GenericRecord>(schema).read(null, DecoderFactory.get().jsonDecoder(schema, line));
        producer.send(new ProducerRecord<>(topic, Integer.toString(n), value), (metadata, failure) -> {
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

  static void read(String topic, Map<String, Object> settings) throws Exception {
    settings.put("isolation.level", "read_committed");
    settings.put("enable.auto.commit", "false");
    var deserializer = new AvroKafkaDeserializer<GenericRecord>();
    deserializer.configure(settings, false);
    try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), deserializer)) {
      List<TopicPartition> partitions = new ArrayList<>();
      consumer.partitionsFor(topic).forEach(p -> partitions.add(new TopicPartition(topic, p.partition())));
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      var ends = consumer.endOffsets(partitions);
      while (ends.entrySet().stream().anyMatch(e -> consumer.position(e.getKey()) < e.getValue())) {
        for (ConsumerRecord<String, GenericRecord> record : consumer.poll(Duration.ofSeconds(1))) {
          ObjectNode out = JSON.createObjectNode();
          out.put("partition", record.partition()).put("offset", record.offset()).put("key", record.key());
          var text = new ByteArrayOutputStream();
          JsonEncoder encoder = EncoderFactory.get().jsonEncoder(record.value().getSchema(), text);
          new GenericDatumWriter<GenericRecord>(record.value().getSchema()).write(record.value(), encoder);
          encoder.flush();
          out.set("value", JSON.readTree(text.toByteArray()));
          System.out.println(out);
        }
      }
    }
  }
}
