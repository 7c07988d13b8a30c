// Package otherclients runs Kafka clients and Avro implementations of other
// languages as commands. The clients read our messages, and we read theirs.
package otherclients

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/avroline/avroline/internal/local"
)

//go:embed java node python apicurio confluentjs avsc
var sources embed.FS

// Client is a client of a language. The source files in the folder of the
// language define the commands.
type Client struct {
	Name    string
	command []string
	dir     string
}

// Java returns Apache Kafka's own client with Apache Avro.
func Java(ctx context.Context) (*Client, error) { return onJVM(ctx, "java") }

// Apicurio returns Apache Kafka's own client with Apicurio's serdes. The serdes
// use the core API of Apicurio Registry. Pass the address of this API to Read
// and Run.
func Apicurio(ctx context.Context) (*Client, error) { return onJVM(ctx, "apicurio") }

func onJVM(ctx context.Context, name string) (*Client, error) {
	maven := []string{
		"mvn", "-B", "-q", "-f", "pom.xml",
		"org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies", "-DoutputDirectory=libs", "-DincludeScope=runtime",
	}
	// Compiling Client.java takes several times as long as a command of the
	// client. The compiler is a module, because javac may not be installed. The
	// module takes no pattern in its class path.
	compiler := []string{"sh", "-c", `java -m jdk.compiler/com.sun.tools.javac.Main -cp "$(printf '%s:' libs/*.jar)" -d classes Client.java`}
	dir, err := install(ctx, name, maven, compiler)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "classes") + string(filepath.ListSeparator) + filepath.Join(dir, "libs", "*")
	return &Client{name, []string{"java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", path, "Client"}, dir}, nil
}

// Python returns Confluent's Python client with its Avro serdes.
func Python(ctx context.Context) (*Client, error) {
	dir, err := install(ctx, "python", []string{
		"python3", "-m", "pip", "install", "-q", "--target", "libs",
		"confluent-kafka[schemaregistry,avro,rules]==2.16.0",
	})
	if err != nil {
		return nil, err
	}
	return &Client{"python", []string{"env", "PYTHONPATH=" + filepath.Join(dir, "libs"), "python3", filepath.Join(dir, "client.py")}, dir}, nil
}

// Node returns KafkaJS with its registry client and the codec of each
// compression.
func Node(ctx context.Context) (*Client, error) {
	dir, err := install(ctx, "node", []string{
		"npm", "install", "--silent", "--no-audit", "--no-fund",
		"kafkajs@2.2.4", "@kafkajs/confluent-schema-registry@3.9.0", "snappyjs@0.7.0", "lz4js@0.2.0", "@bokuweb/zstd-wasm@0.0.27",
	})
	if err != nil {
		return nil, err
	}
	return &Client{"node", []string{"env", "KAFKAJS_NO_PARTITIONER_WARNING=1", "node", filepath.Join(dir, "client.js")}, dir}, nil
}

// JavaScript returns Confluent's JavaScript registry client with its Avro
// serdes. The client cannot use Kafka.
func JavaScript(ctx context.Context) (*Client, error) {
	dir, err := install(ctx, "confluentjs", []string{"npm", "install", "--silent", "--no-audit", "--no-fund", "@confluentinc/schemaregistry@1.10.1"})
	if err != nil {
		return nil, err
	}
	return &Client{"javascript", []string{"node", filepath.Join(dir, "client.js")}, dir}, nil
}

// install copies the folder of a language into the cache and runs commands
// there. The first command is the package manager. The clients in JavaScript
// also share the folder avsc. The cache name contains a hash of the files and
// of the later commands. So a changed client is installed again.
func install(ctx context.Context, lang string, commands ...[]string) (string, error) {
	folders := []string{lang}
	if commands[0][0] == "npm" {
		folders = append(folders, "avsc")
	}
	files := map[string][]byte{}
	var sum uint32
	hash := func(text []byte) {
		for _, c := range text {
			sum = sum*16777619 ^ uint32(c) // FNV
		}
	}
	for _, folder := range folders {
		entries, err := sources.ReadDir(folder)
		if err != nil {
			return "", fmt.Errorf("otherclients: %w", err)
		}
		for _, e := range entries {
			text, err := sources.ReadFile(folder + "/" + e.Name())
			if err != nil {
				return "", fmt.Errorf("otherclients: %w", err)
			}
			files[e.Name()] = text
			hash(text)
		}
	}
	for _, c := range commands[1:] {
		hash([]byte(strings.Join(c, " ")))
	}
	dir, err := local.Cached(fmt.Sprintf("%s-client-%08x", lang, sum), func(dir string) error {
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				return err
			}
		}
		for _, c := range commands {
			cmd := exec.CommandContext(ctx, c[0], c[1:]...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%s could not install the %s client: %w\n%s", c[0], lang, err, local.Tail(out, 2000))
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("otherclients: %w", err)
	}
	return dir, nil
}

// commandTimeout is the timeout of a command. If a client waits for ever, only
// its own test fails, and not the whole run.
const commandTimeout = time.Minute

// Run passes stdin to a command and returns the printed lines.
func (c *Client) Run(ctx context.Context, stdin []string, args ...string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.command[0], append(c.command[1:len(c.command):len(c.command)], args...)...)
	cmd.Dir = c.dir
	cmd.Stdin = strings.NewReader(strings.Join(stdin, "\n") + "\n")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("otherclients: %s %s: %w\n%s", c.Name, args[0], err, local.Tail(errs.Bytes(), 3000))
	}
	var lines []string
	sc := bufio.NewScanner(&out)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		lines = append(lines, sc.Text())
	}
	return lines, sc.Err()
}

// Record is a record from a client.
type Record struct {
	Partition int32           `json:"partition"`
	Offset    int64           `json:"offset"`
	Key       *string         `json:"key"`
	Value     json.RawMessage `json:"value"`
}

// Read lets the client read a whole topic. The remaining arguments are the
// reader schema of the Java client, or settings of Apicurio's client.
func (c *Client) Read(ctx context.Context, brokers []string, topic, registry string, more ...string) ([]Record, error) {
	lines, err := c.Run(ctx, nil, append([]string{"read", strings.Join(brokers, ","), topic, registry}, more...)...)
	if err != nil {
		return nil, err
	}
	records := make([]Record, len(lines))
	for i, l := range lines {
		if err := json.Unmarshal([]byte(l), &records[i]); err != nil {
			return nil, fmt.Errorf("otherclients: %s printed %q: %w", c.Name, l, err)
		}
	}
	return records, nil
}
