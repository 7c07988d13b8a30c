package kafkacluster

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/avroline/avroline/internal/local"
)

// Version is the Apache Kafka release that runs by default. [Release] chooses
// another release.
const Version = "4.3.1"

//go:embed pom.xml
var pom []byte

// Jars returns the folder with the jars of the default release, including the
// Java clients and tools. Maven downloads the jars once.
func Jars(ctx context.Context) (string, error) { return jars(ctx, Version) }

func jars(ctx context.Context, version string) (string, error) {
	dir, err := local.Cached("kafka-"+version, func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "pom.xml"), pom, 0o644); err != nil {
			return err
		}
		mvn := exec.CommandContext(ctx, "mvn", "-B", "-q", "-f", filepath.Join(dir, "pom.xml"), "-Dkafka.version="+version,
			"org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
			"-DoutputDirectory="+dir, "-DincludeScope=runtime")
		if out, err := mvn.CombinedOutput(); err != nil {
			return fmt.Errorf("maven could not bring Apache Kafka %s: %w\n%s", version, err, local.Tail(out, 2000))
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("kafkacluster: %w", err)
	}
	return dir, nil
}
