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

// FingerprintFile has a stamp of every sample that the run was started with: a run that is
// resumed counts by it which were added and removed. A checkpoint has only hashes of the
// stamps, which say whether there is a difference. The file of the launch before is kept
// as long as the newest checkpoint is of that launch.
const (
	FingerprintFile = "fingerprint.safetensors"
	fingerprintWas  = "fingerprint-before.safetensors"
)

// DataKey is the key of the fingerprints in a checkpoint's metadata.
const DataKey = "data"

// fingerprints say what a run is trained and measured on.
type fingerprints struct {
	Train *data.Fingerprint `json:"train"`
	Val   *data.Fingerprint `json:"val"`
}

// takeFingerprints looks at the files of both parts, on rank 0. To a pre-training labels
// mean nothing.
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

// parts are both of them with their names.
func (p fingerprints) parts() []namedPrint { return []namedPrint{{"train", p.Train}, {"val", p.Val}} }

type namedPrint struct {
	name string
	*data.Fingerprint
}

// readFingerprints reads what text has written; nil if there is nothing.
func readFingerprints(text string) *fingerprints {
	var p fingerprints
	if json.Unmarshal([]byte(text), &p) != nil || p.Train == nil || p.Val == nil {
		return nil
	}
	return &p
}

// same says whether both are of the same samples in the same order.
func (p fingerprints) same(q *fingerprints) bool {
	return q != nil && sameListing(p.Train, q.Train) && sameListing(p.Val, q.Val)
}

func sameListing(a, b *data.Fingerprint) bool { return a.Listing == b.Listing && a.Order == b.Order }

// A sample takes two numbers: the hash of its name, and its size and label in one.
const labelBits = 20

func pack(s data.Stamp) int64 { return int64(s.Size<<labelBits | uint64(s.Label)) }

func unpack(name, sample int64) data.Stamp {
	return data.Stamp{Name: uint64(name), Size: uint64(sample) >> labelBits, Label: int(sample & (1<<labelBits - 1))}
}

// writeFingerprints writes the file, unless it is there already. Where the samples have
// changed, the file that the newest checkpoint belongs to, which has the fingerprints
// resumed, stays under another name.
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
		return nil, fmt.Errorf("%s: %w: it says nothing of the data", path, checkpoints.ErrDamaged)
	}
	for _, part := range p.parts() {
		names, ok := f.Lookup(part.name + ".names")
		samples, also := f.Lookup(part.name + ".samples")
		if !ok || !also || len(names.I64) != part.Samples || len(samples.I64) != part.Samples {
			return nil, fmt.Errorf("%s: %w: it has not a stamp of each of %d samples", path, checkpoints.ErrDamaged, part.Samples)
		}
		for i, name := range names.I64 {
			part.Stamps = append(part.Stamps, unpack(name, samples.I64[i]))
		}
		if data.Listing(part.Stamps) != part.Listing {
			return nil, fmt.Errorf("%s: %w: its stamps are not what it says of them", path, checkpoints.ErrDamaged)
		}
	}
	return p, nil
}

// CheckFingerprint is an error if a run has a file of stamps that is not whole. Such a run
// can be resumed all the same, but does not know which images were added or removed.
func CheckFingerprint(dir string) error {
	_, err := loadFingerprints((&Folder{Dir: dir}).path(FingerprintFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// stampsOf finds the stamps of the launch that a checkpoint is of. The error says why there
// are none.
func (f *Folder) stampsOf(p *fingerprints) (*fingerprints, error) {
	var reasons []string
	for _, name := range []string{FingerprintFile, fingerprintWas} {
		found, err := loadFingerprints(f.path(name))
		switch {
		case err == nil && p.same(found):
			return found, nil
		case err == nil:
			reasons = append(reasons, name+" is of another launch")
		case errors.Is(err, fs.ErrNotExist):
			if name == FingerprintFile {
				reasons = append(reasons, name+" is not there")
			}
		case errors.Is(err, checkpoints.ErrDamaged):
			reasons = append(reasons, name+" is damaged")
		default:
			reasons = append(reasons, err.Error())
		}
	}
	return nil, errors.New(strings.Join(reasons, ", "))
}
