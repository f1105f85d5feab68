// Package verify checks a file or a run that the program has written, or will read: its structure, its
// checksum, its shapes against its configuration, and whether all its values are finite. It says in
// one sentence what is wrong, and what can be saved.
//
// It changes nothing. A new format is a row of [kinds] and a file with its check.
package verify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fasternet/internal/disk"
)

// Report is the result of verifying a file or a folder.
type Report struct {
	Path    string   `json:"path"`
	Kind    string   `json:"kind"`              // what it is
	Facts   string   `json:"facts,omitempty"`   // what is in it
	Problem string   `json:"problem,omitempty"` // what is wrong; "" if nothing is
	Rescue  string   `json:"rescue,omitempty"`  // what can be saved
	Parts   []Report `json:"parts,omitempty"`   // the files of a folder
}

// OK reports whether nothing is wrong, including the parts.
func (r Report) OK() bool {
	for _, p := range r.Parts {
		if !p.OK() {
			return false
		}
	}
	return r.Problem == ""
}

// String describes the report in a sentence, without the parts.
func (r Report) String() string {
	if r.Problem == "" {
		text := r.Path + ": ok: " + r.Kind
		if r.Facts != "" {
			text += ", " + r.Facts
		}
		return text
	}
	text := fmt.Sprintf("%s: %s: %s", r.Path, r.Kind, r.Problem)
	if r.Rescue != "" {
		text += "; " + r.Rescue
	}
	return text
}

// kind is a format that can be verified.
type kind struct {
	name string
	// is recognises the format by the path and the first bytes of a file; a folder has none.
	is    func(path string, info fs.FileInfo, head []byte) bool
	check func(r *Report) error // sets facts and rescue; the error is the problem
}

// kinds lists the formats in the order in which they are tried.
var kinds = []kind{
	{"folder of a run", isRun, checkRun},
	{"folder of timm", isHub, checkHub},
	{"safetensors", ending(".safetensors"), checkSafetensors},
	{"ONNX", ending(".onnx"), checkONNX},
	{"NumPy array", ending(".npy"), checkNPY},
	{"packed data set", ending(".pack"), checkPacked},
	{"weights of PyTorch", ending(".pth", ".pt", ".ckpt", ".bin"), checkWeights},
}

func ending(endings ...string) func(string, fs.FileInfo, []byte) bool {
	return func(path string, info fs.FileInfo, _ []byte) bool {
		for _, e := range endings {
			if !info.IsDir() && strings.EqualFold(filepath.Ext(path), e) {
				return true
			}
		}
		return false
	}
}

// Path verifies a file or a folder. It returns an error if the format is unknown.
func Path(path string) (Report, error) {
	r := Report{Path: path}
	info, err := os.Stat(path)
	if err != nil {
		return r, fmt.Errorf("verify: %w", err)
	}
	head := make([]byte, 512)
	if !info.IsDir() {
		if head, err = readHead(path, head); err != nil {
			return r, fmt.Errorf("verify: %w", err)
		}
	}
	for _, k := range kinds {
		if k.is(path, info, head) {
			return k.verify(path), nil
		}
	}
	if info.IsDir() {
		return r, fmt.Errorf("verify: %s is neither the folder of a run (with config.yaml or checkpoints) "+
			"nor a folder of timm (with config.json)", path)
	}
	return r, fmt.Errorf("verify: %s: want a file that ends in .safetensors, .onnx, .npy, .pack, .pth, .pt, "+
		".ckpt or .bin, or the folder of a run", path)
}

func (k kind) verify(path string) Report {
	r := Report{Path: path, Kind: k.name}
	if err := k.check(&r); err != nil {
		r.Problem = strings.TrimPrefix(err.Error(), path+": ")
	}
	return r
}

func readHead(path string, head []byte) ([]byte, error) {
	f, err := disk.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n, err := io.ReadFull(f, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], err
}
