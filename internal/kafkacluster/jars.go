package kafkacluster

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Version is the Apache Kafka release that runs.
const Version = "4.3.1"

//go:embed pom.xml
var pom []byte

// jars returns the folder with Kafka's jars. It asks Maven once and keeps them
// in the user's cache folder, or in AVROLINE_CACHE.
func jars(ctx context.Context) (string, error) {
	cache := os.Getenv("AVROLINE_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("kafkacluster: no cache folder: set AVROLINE_CACHE: %w", err)
		}
		cache = filepath.Join(dir, "avroline")
	}
	libs := filepath.Join(cache, "kafka-"+Version)
	if have, _ := filepath.Glob(filepath.Join(libs, "kafka_2.13-*.jar")); len(have) > 0 {
		return libs, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("kafkacluster: cache folder: %w", err)
	}
	work, err := os.MkdirTemp(cache, "kafka-jars-")
	if err != nil {
		return "", fmt.Errorf("kafkacluster: cache folder: %w", err)
	}
	defer os.RemoveAll(work)
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o644); err != nil {
		return "", fmt.Errorf("kafkacluster: %w", err)
	}
	got := filepath.Join(work, "libs")
	cmd := exec.CommandContext(ctx, "mvn", "-B", "-q", "-f", filepath.Join(work, "pom.xml"),
		"org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
		"-DoutputDirectory="+got, "-DincludeScope=runtime")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("kafkacluster: Maven could not bring Apache Kafka %s: %w\n%s", Version, err, tail(out, 2000))
	}
	// Whole or not at all: a second process may be fetching the same.
	if err := os.Rename(got, libs); err != nil {
		if have, _ := filepath.Glob(filepath.Join(libs, "kafka_2.13-*.jar")); len(have) > 0 {
			return libs, nil
		}
		return "", fmt.Errorf("kafkacluster: %w", err)
	}
	return libs, nil
}

func tail(b []byte, n int) []byte {
	if len(b) > n {
		return b[len(b)-n:]
	}
	return b
}
