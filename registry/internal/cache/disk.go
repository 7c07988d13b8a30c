package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
)

// Disk stores facts in files, with a file for each fact. The first line of a
// file holds the name of the format and the SHA-256 of the rest. The rest is a
// JSON object with the name and the value of the fact. A nil disk stores
// nothing. Only the owner of the files can write the files (see checkFolder).
type Disk struct {
	dir      string
	logger   *slog.Logger
	readOnly atomic.Bool // the folder cannot be written, and the log says so
}

const (
	diskFormat = "avroline-registry-2"
	maxFact    = 32 << 20
)

// Fact names a piece of information from the registry.
type Fact struct{ Kind, Name string }

// OpenDisk makes the folder of a registry. registry is a text that identifies
// the registry.
func OpenDisk(dir, registry string, logger *slog.Logger) (*Disk, error) {
	if dir == "" {
		return nil, nil
	}
	d := &Disk{dir: filepath.Join(dir, digest(registry)[:16]), logger: logger}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = checkFolder(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("WithDiskCache: %w", err)
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		d.cannotWrite(err) // nothing can be read either
		return d, nil
	}
	if err := checkFolder(d.dir); err != nil {
		return nil, fmt.Errorf("WithDiskCache: %w", err)
	}
	if probe, err := os.CreateTemp(d.dir, "new-*"); err != nil {
		d.cannotWrite(err)
	} else {
		_ = probe.Close()
		_ = os.Remove(probe.Name())
	}
	return d, nil
}

// cannotWrite makes the cache read-only. The first call logs the reason.
func (d *Disk) cannotWrite(err error) {
	if d.readOnly.CompareAndSwap(false, true) {
		d.logger.LogAttrs(context.Background(), slog.LevelWarn, "registry_disk_cache_read_only", slog.String("folder", d.dir), slog.Any("error", err))
	}
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func (d *Disk) path(f Fact) string { return filepath.Join(d.dir, f.Kind+"-"+digest(f.Name)) }

// envelope holds the name of a fact beside its value, so that a renamed or
// copied file is not used.
type envelope struct {
	Kind  string          `json:"kind"`
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

// Load reads a fact into v. If the file is torn or has another format, Load
// logs the problem and reports that the fact is missing. The next answer of the
// registry replaces the file.
func (d *Disk) Load(f Fact, v any) bool {
	if d == nil {
		return false
	}
	data, err := readFile(d.path(f))
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	if err == nil {
		err = f.decode(data, v)
	}
	if err != nil {
		d.logger.LogAttrs(context.Background(), slog.LevelWarn, "registry_disk_cache_ignored", slog.String("file", d.path(f)), slog.Any("error", err))
	}
	return err == nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFact {
		return nil, errors.New("not a file of the cache")
	}
	if err := checkOwner(info); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(file, maxFact))
}

func (f Fact) encode(v any) ([]byte, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(envelope{f.Kind, digest(f.Name), value})
	if err != nil {
		return nil, err
	}
	return append([]byte(diskFormat+" "+digest(string(body))+"\n"), body...), nil
}

func (f Fact) decode(data []byte, v any) error {
	head, body, _ := bytes.Cut(data, []byte("\n"))
	if string(head) != diskFormat+" "+digest(string(body)) {
		return errors.New("the file is torn or of another format")
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return err
	}
	if e.Kind != f.Kind || e.Name != digest(f.Name) {
		return errors.New("the file holds another fact")
	}
	return json.Unmarshal(e.Value, v)
}

// Save writes a fact for other processes and later runs. Save replaces the file
// in a single step, without a sync, because the checksum detects a file that a
// power cut has torn. Save logs failures and returns no error, because the
// client works without the disk cache.
func (d *Disk) Save(f Fact, v any) {
	if d == nil || d.readOnly.Load() {
		return
	}
	err := d.write(f, v)
	switch {
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		d.cannotWrite(err)
	case err != nil:
		d.logger.LogAttrs(context.Background(), slog.LevelWarn, "registry_disk_cache_failed", slog.String("file", d.path(f)), slog.Any("error", err))
	}
}

func (d *Disk) write(f Fact, v any) error {
	data, err := f.encode(v)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(d.dir, "new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err := errors.Join(err, tmp.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	if err := os.Rename(tmp.Name(), d.path(f)); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// Forget removes a fact that is no longer true.
func (d *Disk) Forget(f Fact) {
	if d == nil || d.readOnly.Load() {
		return
	}
	if err := os.Remove(d.path(f)); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.logger.LogAttrs(context.Background(), slog.LevelWarn, "registry_disk_cache_failed", slog.String("file", d.path(f)), slog.Any("error", err))
	}
}
