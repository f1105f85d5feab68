package checkpoints

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"fasternet/formats"
	"fasternet/formats/safetensors"
	"fasternet/internal/disk"
)

// File is the content of a checkpoint.
type File struct {
	Meta    map[string]string
	Tensors []formats.Tensor
}

// Lookup finds a tensor by its name.
func (f *File) Lookup(name string) (formats.Tensor, bool) {
	i := slices.IndexFunc(f.Tensors, func(t formats.Tensor) bool { return t.Name == name })
	if i < 0 {
		return formats.Tensor{}, false
	}
	return f.Tensors[i], true
}

// ErrDamaged says that a file is no whole checkpoint: torn, altered or not one
// at all.
var ErrDamaged = errors.New("damaged checkpoint")

// checksumKey is the key of the checksum in the metadata.
const checksumKey = "sha256"

// checksum covers names, types, shapes, values and metadata.
func (f *File) checksum() string {
	h := sha256.New()
	text := func(s string) {
		fmt.Fprintf(h, "%d:", len(s))
		io.WriteString(h, s)
	}
	for _, k := range slices.Sorted(maps.Keys(f.Meta)) {
		if k != checksumKey {
			text(k)
			text(f.Meta[k])
		}
	}
	sorted := slices.Clone(f.Tensors)
	slices.SortFunc(sorted, func(a, b formats.Tensor) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	for _, t := range sorted {
		text(t.Name)
		text(fmt.Sprint(safetensors.TypeOf(t), " ", t.Shape))
		h.Write(t.Bytes())
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Write puts a checkpoint on disk. The file at path, if there is one, is
// replaced when the new one is complete and synced; after an error it is
// unchanged, and no other file is left.
func Write(path string, f File) error { return WriteAtomic(path, f.writer()) }

// writer writes the file with its checksum, which is computed now.
func (f *File) writer() func(io.Writer) error {
	meta := maps.Clone(f.Meta)
	if meta == nil {
		meta = map[string]string{}
	}
	meta[checksumKey] = f.checksum()
	return func(w io.Writer) error { return safetensors.Write(w, meta, f.Tensors) }
}

// Read reads a checkpoint and verifies its checksum. An error that wraps
// ErrDamaged means that the file is there but is not a whole checkpoint.
func Read(path string) (*File, error) { return read(path, true) }

// ReadOpen is Read of a file that may have been written again by another program, without
// the checksum. If there is one, it is verified.
func ReadOpen(path string) (*File, error) { return read(path, false) }

// read reads a file, which has to have a checksum if it is sealed.
func read(path string, sealed bool) (*File, error) {
	in, size, err := disk.OpenSize(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoints: %w", err)
	}
	defer in.Close()
	f, err := parse(in, size, sealed)
	if err != nil {
		return nil, readError(path, err)
	}
	if HasChecksum(f.Meta) && f.checksum() != f.Meta[checksumKey] {
		return nil, fmt.Errorf("%s: %w: the checksum does not match", path, ErrDamaged)
	}
	delete(f.Meta, checksumKey)
	return f, nil
}

// ReadMeta reads the metadata of a checkpoint and nothing else: its tensors may be
// damaged. The checksum is not part of the result.
func ReadMeta(path string) (map[string]string, error) {
	in, size, err := disk.OpenSize(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoints: %w", err)
	}
	defer in.Close()
	meta, err := safetensors.ReadMeta(in, size)
	if err == nil && !HasChecksum(meta) {
		err = errNoChecksum
	}
	if err != nil {
		return nil, readError(path, err)
	}
	delete(meta, checksumKey)
	return meta, nil
}

// HasChecksum says whether metadata are of a file that Write has written.
func HasChecksum(meta map[string]string) bool {
	_, ok := meta[checksumKey]
	return ok
}

var errNoChecksum = errors.New("it has no checksum, so it is not a checkpoint of a run")

// readError is the error of a file that could not be understood, or could not be read.
func readError(path string, err error) error {
	if broken := (*fs.PathError)(nil); errors.As(err, &broken) {
		return fmt.Errorf("checkpoints: %w", err)
	}
	return fmt.Errorf("%s: %w: %w", path, ErrDamaged, err)
}

// parse reads a file of float32, int64 and int8. A checksum, which has to be there if it is sealed, is
// not compared.
func parse(r io.ReaderAt, size int64, sealed bool) (*File, error) {
	l, err := safetensors.ReadLayout(r, size)
	if err != nil {
		return nil, err
	}
	if sealed && !HasChecksum(l.Meta) {
		return nil, errNoChecksum
	}
	f := &File{Meta: l.Meta}
	for _, s := range l.Tensors {
		if s.DType != formats.Float32 && s.DType != formats.Int64 && s.DType != formats.Int8 {
			return nil, fmt.Errorf("tensor %s is of type %s: want F32, I64 or I8", formats.Short(s.Name), formats.Short(s.Type))
		}
		t, err := safetensors.ReadPacked(r, s)
		if err != nil {
			return nil, err
		}
		f.Tensors = append(f.Tensors, t)
	}
	return f, nil
}
