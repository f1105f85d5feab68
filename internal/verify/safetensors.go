package verify

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"fasternet/checkpoints"
	"fasternet/formats/safetensors"
	"fasternet/formats/torch"
	"fasternet/internal/disk"
	"fasternet/internal/finite"
	"fasternet/model"
	"fasternet/train"
)

// checkSafetensors verifies a checkpoint, an export, a file from predict or a probe, or a file of
// another program.
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
	default: // tensors and a checksum: predictions or a converted model
		return numbers.Err()
	}
	c, err := model.Check(f)
	if err != nil {
		r.rescueFromFolder()
		return err
	}
	r.Facts = c.Model.Name + ", " + r.Facts
	if model.HasAverage(f) {
		r.Facts += ", also averaged weights (EMA), which eval, export and other commands use"
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

// damaged says everything that is wrong with a damaged checkpoint.
func damaged(r *Report, err error) error {
	f, n, openError := disk.OpenSize(r.Path)
	if openError != nil {
		return openError
	}
	defer f.Close()
	l, headerError := safetensors.Examine(f, n)
	if headerError != nil {
		r.Rescue = "nothing in it can be saved"
		r.rescueFromFolder()
		return headerError
	}
	foreign := !checkpoints.HasChecksum(l.Meta) &&
		l.Meta[model.FormatKey] != model.CheckpointFormat &&
		l.Meta[model.FormatKey] != model.ExportFormat
	if foreign {
		r.Kind = "safetensors of another program"
	}
	wrong := wrongWith(r, l)
	switch {
	case len(wrong) > 0:
		err = errors.New(strings.Join(wrong, "; "))
	case foreign:
		return checkWeights(r)
	case errors.Is(err, checkpoints.ErrDamaged):
		r.Rescue = "it is unknown which of its tensors are right"
		err = errors.New(strings.TrimPrefix(err.Error(), r.Path+": "))
	}
	if !foreign {
		r.rescueFromFolder()
	}
	return err
}

// wrongWith lists what is wrong with the layout of a file, and what can be saved.
func wrongWith(r *Report, l *safetensors.Layout) (wrong []string) {
	const most = 5 // name at most this many tensors
	switch {
	case l.End > l.Size:
		wrong = append(wrong, fmt.Sprintf("it is cut off: %s of %s", size(l.Size), size(l.End)))
	case l.End < l.Size:
		r.Rescue = "it may be complete without them"
		wrong = append(wrong, fmt.Sprintf("it has %s too many at its end", size(l.Size-l.End)))
	}
	bad := map[string]bool{}
	problems := l.Problems
	for _, t := range l.Tensors {
		if err := safetensors.CheckType(t); err != nil {
			problems = append(problems, err)
		}
	}
	for _, problem := range problems {
		if t := (*safetensors.TensorError)(nil); errors.As(problem, &t) {
			bad[t.Name] = true
		}
	}
	whole := 0
	for _, t := range l.Tensors {
		if !bad[t.Name] && t.To <= l.Size {
			whole++
		}
		delete(bad, t.Name)
	}
	if all := len(l.Tensors) + len(bad); whole < all { // the other tensors have no place in the file
		r.Rescue = fmt.Sprintf("%d of its %d tensors are complete", whole, all)
	}
	for i, problem := range problems {
		if i == most {
			wrong = append(wrong, fmt.Sprintf("and %d more", len(problems)-most))
			break
		}
		wrong = append(wrong, problem.Error())
	}
	return wrong
}

// rescueFromFolder names a checkpoint next to this one that is complete.
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
			r.Rescue += fmt.Sprintf("%s next to it is complete, %s", name, at)
			return
		}
	}
}

// checkWeights verifies a file of another program: that it can be read, and its values.
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
