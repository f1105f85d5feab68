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

// ErrDamaged says that a file is torn, was altered, or is not a checkpoint.
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

// Write puts a checkpoint on disk. It replaces the file at path after the new one is complete and
// synced. After an error the old file is unchanged, and no other file is left.
func Write(path string, f File) error { return WriteAtomic(path, f.writer()) }

// writer returns a function that writes the file with its checksum, which it computes now.
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

// ReadOpen reads a file that another program may have written again without the checksum. It verifies
// the checksum if there is one.
func ReadOpen(path string) (*File, error) { return read(path, false) }

// read reads a file. A sealed file must have a checksum.
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

// ReadMeta reads only the metadata of a checkpoint, without the checksum. The tensors may be damaged.
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

// HasChecksum reports whether the metadata come from a file that Write has written.
func HasChecksum(meta map[string]string) bool {
	_, ok := meta[checksumKey]
	return ok
}

var errNoChecksum = errors.New("it has no checksum, as every checkpoint of a run has")

// readError wraps the error of a file that cannot be read or parsed.
func readError(path string, err error) error {
	if broken := (*fs.PathError)(nil); errors.As(err, &broken) {
		return fmt.Errorf("checkpoints: %w", err)
	}
	return fmt.Errorf("%s: %w: %w", path, ErrDamaged, err)
}

// parse reads a file of float32, int64 and int8. A sealed file must have a checksum; parse does not verify it.
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
			return nil, fmt.Errorf("tensor %s is of type %s: want F32, I64 or I8",
				formats.Short(s.Name), formats.Short(s.Type))
		}
		t, err := safetensors.ReadPacked(r, s)
		if err != nil {
			return nil, err
		}
		f.Tensors = append(f.Tensors, t)
	}
	return f, nil
}
