package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDiskFull checks that the program fails if a disk is full, and that the
// report does not say that the accounts balance.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	cmd, out, errs := program(t, "--quiet", "--sample-lines", "3000", "--rejects", "/dev/full")
	if err := cmd.Run(); err == nil || !strings.HasPrefix(out.String(), "clickstream: failed") || !strings.Contains(errs.String(), "rejects") {
		t.Errorf("rejects: %v\n%s\n%s", err, out, errs)
	}
	cmd, out, errs = program(t, "--quiet", "--sample-lines", "3000", "--rejects", filepath.Join(t.TempDir(), "none", "rejects"))
	if err := cmd.Run(); err == nil || out.Len() > 0 || !strings.Contains(errs.String(), "name another file") {
		t.Errorf("no rejects file: %v\n%s\n%s", err, out, errs)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	for _, format := range []string{"--json", "--json=false"} {
		cmd, _, errs = program(t, "--quiet", "--sample-lines", "100", format, "--rejects", filepath.Join(t.TempDir(), "rejects"))
		cmd.Stdout = full
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(errs.String(), "/dev/stdout") {
			t.Errorf("the report, %s: %v\n%s", format, err, errs)
		}
	}
}
