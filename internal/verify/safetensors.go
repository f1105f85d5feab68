package verify

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"fasternet/checkpoints"
	"fasternet/formats/torch"
	"fasternet/internal/disk"
	"fasternet/internal/finite"
	"fasternet/model"
	"fasternet/train"
)

// checkSafetensors verifies a checkpoint, an export, what predict and probe write,
// or a file of another program.
func checkSafetensors(r *Report) error {
	f, err := checkpoints.Read(r.Path)
	if err != nil {
		return damaged(r, err)
	}
	var numbers finite.Count
	for _, t := range f.Tensors {
		numbers.Add(t.Name, t.F32)
	}
	r.Facts = numbers.String()
	switch f.Meta[model.FormatKey] {
	case model.CheckpointFormat:
		r.Kind = "checkpoint"
	case model.ExportFormat:
		r.Kind = "exported model"
	default: // tensors and a checksum, of predictions or a converted model
		return numbers.Err()
	}
	c, err := model.Check(f)
	if err != nil {
		r.rescueFromFolder()
		return err
	}
	r.Facts = c.Model.Name + ", " + r.Facts
	if model.HasAverage(f) {
		r.Facts += ", also averaged weights (EMA), which eval, export and the others take"
	}
	if f.Meta[model.UsedKey] == string(torch.EMA) {
		r.Facts += ", made of averaged weights (EMA)"
	}
	if text, ok := f.Meta[train.ProgressKey]; ok {
		at, err := train.Standing(text)
		if err != nil {
			return err
		}
		r.Facts = at + ", " + r.Facts
	}
	if err := numbers.Err(); err != nil {
		r.rescueFromFolder()
		return err
	}
	return nil
}

// damaged says what is wrong with a file that is no whole checkpoint.
func damaged(r *Report, err error) error {
	raw, readError := disk.ReadFile(r.Path)
	if readError != nil {
		return readError
	}
	l, layoutError := layoutOf(raw)
	switch {
	case layoutError == nil && l.checksum == "" && l.format != model.CheckpointFormat && l.format != model.ExportFormat:
		r.Kind = "safetensors of another program"
		return checkWeights(r)
	case layoutError != nil:
		r.Rescue = "nothing in it can be saved"
		err = layoutError
	case l.end > len(raw):
		whole := 0
		for _, end := range l.ends {
			if end <= len(raw) {
				whole++
			}
		}
		r.Rescue = fmt.Sprintf("%d of its %d tensors are there in full", whole, len(l.ends))
		err = fmt.Errorf("it is cut off: %s of %s", size(len(raw)), size(l.end))
	case l.end < len(raw):
		r.Rescue = "it may be whole without them"
		err = fmt.Errorf("there are %s too many at its end", size(len(raw)-l.end))
	case errors.Is(err, checkpoints.ErrDamaged):
		r.Rescue = "which of its tensors are right cannot be told"
		err = errors.New(strings.TrimPrefix(err.Error(), r.Path+": "))
	}
	r.rescueFromFolder()
	return err
}

// rescueFromFolder adds which checkpoint beside this one is whole.
func (r *Report) rescueFromFolder() {
	dir := filepath.Dir(r.Path)
	for _, name := range (checkpoints.Folder{Dir: dir, Position: train.Position}).Names() {
		path := filepath.Join(dir, name)
		if path == filepath.Clean(r.Path) {
			continue
		}
		if f, err := checkpoints.Read(path); err == nil {
			at, err := train.Standing(f.Meta[train.ProgressKey])
			if err != nil {
				continue
			}
			if r.Rescue != "" {
				r.Rescue += "; "
			}
			r.Rescue += fmt.Sprintf("%s beside it is whole, %s", name, at)
			return
		}
	}
}

// layout is where the tensors of a safetensors file end.
type layout struct {
	ends             []int // of each tensor, in the file
	end              int   // of the file
	checksum, format string
}

// layoutOf reads the header of a file whose tensors need not be there.
func layoutOf(raw []byte) (l layout, err error) {
	if len(raw) < 8 {
		return l, fmt.Errorf("it is cut off: %s are no header", size(len(raw)))
	}
	n := binary.LittleEndian.Uint64(raw)
	if n > uint64(len(raw)-8) {
		return l, fmt.Errorf("it is no safetensors file, or cut off in its header: %s, a header of %d", size(len(raw)), n)
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(raw[8:8+n], &header); err != nil {
		return l, fmt.Errorf("its header is damaged: %w", err)
	}
	start := 8 + int(n)
	l.end = start
	for name, text := range header {
		if name == "__metadata__" {
			var meta map[string]string
			if err := json.Unmarshal(text, &meta); err != nil {
				return l, fmt.Errorf("its metadata is damaged: %w", err)
			}
			l.checksum, l.format = meta["sha256"], meta[model.FormatKey]
			continue
		}
		var t struct {
			Offsets [2]int64 `json:"data_offsets"`
		}
		if err := json.Unmarshal(text, &t); err != nil || t.Offsets[0] < 0 || t.Offsets[1] < t.Offsets[0] || t.Offsets[1] > 1<<50 {
			return l, fmt.Errorf("its header is damaged: tensor %q", name)
		}
		end := start + int(t.Offsets[1])
		l.ends = append(l.ends, end)
		l.end = max(l.end, end)
	}
	return l, nil
}

// checkWeights verifies a file that another program wrote: that it can be read,
// and its numbers.
func checkWeights(r *Report) error {
	s, err := torch.Read(r.Path, torch.Options{})
	if err != nil {
		return err
	}
	var numbers finite.Count
	for _, t := range s.Tensors {
		numbers.Add(t.Name, t.F32)
	}
	r.Facts = numbers.String() + "; it has no checksum"
	return numbers.Err()
}
