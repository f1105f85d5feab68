package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"fasternet/checkpoints"
	"fasternet/data"
	"fasternet/formats"
	"fasternet/internal/disk"
)

// FingerprintFile has a stamp of every sample at the start of the run. A resumed run counts from it which samples
// were added and removed. A checkpoint has only hashes of the stamps, which show whether anything changed. The
// file of the previous launch is kept while the newest checkpoint belongs to that launch.
const (
	FingerprintFile = "fingerprint.safetensors"
	fingerprintWas  = "fingerprint-before.safetensors"
)

// DataKey is the key of the fingerprints in a checkpoint's metadata.
const DataKey = "data"

// fingerprints identify the data that a run is trained and evaluated on.
type fingerprints struct {
	Train *data.Fingerprint `json:"train"`
	Val   *data.Fingerprint `json:"val"`
}

// takeFingerprints stamps the files of both parts, on rank 0. For a pre-training, labels do not count.
func (t *trainer) takeFingerprints() (*fingerprints, error) {
	var taken [2]*data.Fingerprint
	for i, ds := range []data.Dataset{t.train, t.val} {
		if t.config.Task == "localmim" {
			var err error
			if ds, err = data.Relabel(ds, make([]int, len(ds.Classes())), []string{""}); err != nil {
				return nil, err
			}
		}
		taken[i] = data.TakeFingerprint(ds, t.ranks.Rank() == 0)
	}
	return &fingerprints{taken[0], taken[1]}, nil
}

func (p fingerprints) text() (string, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("fingerprint of the data: %w", err)
	}
	return string(text), nil
}

// parts returns both parts with their names.
func (p fingerprints) parts() []namedPrint { return []namedPrint{{"train", p.Train}, {"val", p.Val}} }

type namedPrint struct {
	name string
	*data.Fingerprint
}

// readFingerprints reads the text that was written; nil if it is empty.
func readFingerprints(text string) *fingerprints {
	var p fingerprints
	if json.Unmarshal([]byte(text), &p) != nil || p.Train == nil || p.Val == nil {
		return nil
	}
	return &p
}

// same reports whether both have the same samples in the same order.
func (p fingerprints) same(q *fingerprints) bool {
	return q != nil && sameListing(p.Train, q.Train) && sameListing(p.Val, q.Val)
}

func sameListing(a, b *data.Fingerprint) bool { return a.Listing == b.Listing && a.Order == b.Order }

// Each sample takes two numbers: the hash of its name, and the hash of its size and label.
const labelBits = 20

func pack(s data.Stamp) int64 { return int64(s.Size<<labelBits | uint64(s.Label)) }

func unpack(name, sample int64) data.Stamp {
	return data.Stamp{Name: uint64(name), Size: uint64(sample) >> labelBits, Label: int(sample & (1<<labelBits - 1))}
}

// writeFingerprints writes the file, unless it exists. If the samples have changed, it keeps the file of the
// newest checkpoint, whose fingerprints are resumed, under another name.
func (f *Folder) writeFingerprints(p fingerprints, resumed *fingerprints) error {
	path := f.path(FingerprintFile)
	there, err := loadFingerprints(path)
	if err == nil && p.same(there) {
		return nil
	}
	if err == nil && resumed != nil && resumed.same(there) {
		if err := disk.RenameFile(path, f.path(fingerprintWas)); err != nil {
			return fmt.Errorf("run folder: %w", err)
		}
	}
	text, err := p.text()
	if err != nil {
		return err
	}
	file := checkpoints.File{Meta: map[string]string{DataKey: text}}
	for _, part := range p.parts() {
		n := len(part.Stamps)
		names, samples := make([]int64, n), make([]int64, n)
		for i, s := range part.Stamps {
			names[i], samples[i] = int64(s.Name), pack(s)
		}
		file.Tensors = append(file.Tensors,
			formats.Tensor{Name: part.name + ".names", Shape: []int{n}, I64: names},
			formats.Tensor{Name: part.name + ".samples", Shape: []int{n}, I64: samples})
	}
	return checkpoints.Write(path, file)
}

// loadFingerprints reads a file of stamps.
func loadFingerprints(path string) (*fingerprints, error) {
	f, err := checkpoints.Read(path)
	if err != nil {
		return nil, err
	}
	p := readFingerprints(f.Meta[DataKey])
	if p == nil {
		return nil, fmt.Errorf("%s: %w: it has no entry about the data", path, checkpoints.ErrDamaged)
	}
	for _, part := range p.parts() {
		names, ok := f.Lookup(part.name + ".names")
		samples, also := f.Lookup(part.name + ".samples")
		if !ok || !also || len(names.I64) != part.Samples || len(samples.I64) != part.Samples {
			return nil, fmt.Errorf("%s: %w: it lacks stamps of its %d samples",
				path, checkpoints.ErrDamaged, part.Samples)
		}
		for i, name := range names.I64 {
			part.Stamps = append(part.Stamps, unpack(name, samples.I64[i]))
		}
		if data.Listing(part.Stamps) != part.Listing {
			return nil, fmt.Errorf("%s: %w: its stamps do not match their hash", path, checkpoints.ErrDamaged)
		}
	}
	return p, nil
}

// CheckFingerprint returns an error if the file of stamps in a run is damaged. The run can still be resumed, but
// cannot tell which images were added or removed.
func CheckFingerprint(dir string) error {
	_, err := loadFingerprints((&Folder{Dir: dir}).path(FingerprintFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// stampsOf finds the stamps of a checkpoint's launch. The error says why there are none.
func (f *Folder) stampsOf(p *fingerprints) (*fingerprints, error) {
	var reasons []string
	for _, name := range []string{FingerprintFile, fingerprintWas} {
		found, err := loadFingerprints(f.path(name))
		switch {
		case err == nil && p.same(found):
			return found, nil
		case err == nil:
			reasons = append(reasons, name+" belongs to another launch")
		case errors.Is(err, fs.ErrNotExist):
			if name == FingerprintFile {
				reasons = append(reasons, name+" is missing")
			}
		case errors.Is(err, checkpoints.ErrDamaged):
			reasons = append(reasons, name+" is damaged")
		default:
			reasons = append(reasons, err.Error())
		}
	}
	return nil, errors.New(strings.Join(reasons, ", "))
}
