//go:build unix

package chaos

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/checkpoints"
)

// region is a part of a checkpoint's file.
type region struct {
	name     string
	from, to int
}

// regions cuts a safetensors file into the length of its header, the header's text about the tensors,
// its metadata, and the data.
func regions(raw []byte) ([]region, error) {
	header := 8 + int(binary.LittleEndian.Uint64(raw))
	meta := strings.Index(string(raw[:header]), `"__metadata__"`)
	sum := strings.Index(string(raw[:header]), `"sha256"`)
	if meta < 0 || sum < 0 {
		return nil, errors.New("the header of the checkpoint has no metadata")
	}
	third := (len(raw) - header) / 3
	all := []region{
		{"length", 0, 8}, {"metadata", meta, sum}, {"checksum", sum, sum + 80},
		{"data, first third", header, header + third},
		{"data, second third", header + third, header + 2*third},
		{"data, last third", header + 2*third, len(raw)},
	}
	if meta > 10 {
		return append(all, region{"tensors", 8, meta}), nil
	}
	return append(all, region{"tensors", sum + 80, header}), nil
}

// interrupted stops a run in the middle of its second epoch.
func (r *run) interrupted() error {
	_, err := wait(r.command("FASTERNET_FAULT=rename last.safetensors 8 kill"), nil)
	if err != nil {
		return err
	}
	for _, name := range []string{checkpoints.Previous, checkpoints.Best, checkpoints.Epoch(0)} {
		if _, err := checkpoints.Read(filepath.Join(r.dir, "checkpoints", name)); err != nil {
			return err
		}
	}
	// The kill was between two renames: Newest finishes them.
	_, _, err = checkpoints.Folder{Dir: filepath.Join(r.dir, "checkpoints")}.Newest(func(error) {})
	return err
}

// A damaged checkpoint is noticed and put aside, and the one before it is used; if that is damaged
// too, the one before that.
func TestDamage(t *testing.T) {
	base := &run{dir: filepath.Join(suite.dir, "interrupted")}
	if err := base.interrupted(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(base.dir, "checkpoints", checkpoints.Last))
	if err != nil {
		t.Fatal(err)
	}
	parts, err := regions(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fault string
		do    func(raw []byte, p region, r *rand.Rand) []byte
	}{
		{"a flipped bit in a checkpoint", func(raw []byte, p region, r *rand.Rand) []byte {
			raw[p.from+r.IntN(p.to-p.from)] ^= 1 << r.IntN(8)
			return raw
		}},
		{"a checkpoint cut off", func(raw []byte, p region, r *rand.Rand) []byte {
			return raw[:p.from+r.IntN(p.to-p.from)]
		}},
		{"zeros in a checkpoint", func(raw []byte, p region, r *rand.Rand) []byte {
			clear(raw[p.from:min(p.to, p.from+512)])
			return raw
		}},
	} {
		per := count(1, 4)
		n := len(parts) * per
		if !all() {
			n = 2
		}
		trials(t, c.fault, n, func(i int, r *run) (int, error) {
			p := parts[(i*3)%len(parts)]
			if err := os.CopyFS(r.dir, os.DirFS(base.dir)); err != nil {
				return 1, err
			}
			r.damaged = true
			random := rand.New(rand.NewPCG(11, uint64(i)))
			names := []string{checkpoints.Last, checkpoints.Previous, checkpoints.Epoch(0)}[:1+i%3]
			if i%4 == 3 { // it is written again from the checkpoint of the epoch
				names = []string{checkpoints.Best}
			}
			for _, name := range names {
				path := filepath.Join(r.dir, "checkpoints", name)
				raw, err := os.ReadFile(path)
				if err != nil {
					return 1, err
				}
				if err := os.WriteFile(path, c.do(raw, p, random), 0o644); err != nil {
					return 1, err
				}
			}
			e, err := wait(r.command(), nil)
			switch {
			case err != nil:
				return 1, err
			case e.code != 0 || strings.Count(e.stderr, "damaged checkpoint") != len(names):
				return 1, fmt.Errorf("%s of %v: exit code %d, want %d warnings\n%s",
					p.name, names, e.code, len(names), e.stderr)
			}
			if err := r.same(); err != nil {
				return 1, fmt.Errorf("%s of %v: %w", p.name, names, err)
			}
			return 1, nil
		})
	}
}
