package export

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
)

// HubFormat is a folder in the format of timm and the Hugging Face hub.
const HubFormat Format = "hub"

// WriteHub exports a model to a folder that timm's create_model("local-dir:FOLDER") loads
// ([model.WriteHub]). The files appear in the folder after they have been read back and give the
// same logits. The note says how timm prepares images differently; it may be "". The error
// wraps [model.ErrNaming] or [model.ErrOtherCode] if timm has no such model, and [model.ErrUntrained]
// for an encoder that lacks layers.
func WriteHub(l *model.Loaded, dir string, pool *kernels.Pool) (r Result, note string, err error) {
	if err := model.CheckHubFolder(dir); err != nil {
		return r, "", err
	}
	out := *l
	if out.Model, err = graph.ForSize(l.Model, l.Config.Data.ImageSize); err != nil {
		return r, "", fmt.Errorf("export: %w", err)
	}
	if err := model.NotInt8(l.Model); err != nil {
		return r, "", fmt.Errorf("export: %w", err)
	}
	r = Result{
		Path:       dir,
		Format:     HubFormat,
		Precision:  Float32,
		Weights:    l.Used(),
		Parameters: out.Parameters(),
	}
	if l.Headless {
		r.Features = l.Features()
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return r, "", fmt.Errorf("export: %w", err)
	}
	part, err := os.MkdirTemp(parent, ".export-*")
	if err != nil {
		return r, "", fmt.Errorf("export: %w", err)
	}
	defer func() { _ = os.RemoveAll(part) }() // nothing is left of it after success
	if err := os.Chmod(part, 0o755); err != nil {
		return r, "", fmt.Errorf("export: %w", err)
	}
	if note, err = model.WriteHub(&out, part); err != nil {
		return r, "", err
	}
	if r.Difference, err = hubDifference(l, part, pool); err != nil {
		return r, "", err
	}
	if err := r.check(Tolerance, what(l)); err != nil {
		return r, "", err
	}
	for _, name := range model.HubFiles() {
		if info, err := os.Stat(filepath.Join(part, name)); err == nil {
			r.Bytes += info.Size()
		}
	}
	return r, note, moveHub(part, dir)
}

// hubDifference reads a folder back and compares its model with the original.
func hubDifference(l *model.Loaded, dir string, pool *kernels.Pool) (Difference, error) {
	back, err := model.Open(dir, model.LoadOptions{Headless: true, Remedies: &model.Remedies{}})
	if err != nil {
		return Difference{}, fmt.Errorf("export: reading back: %w", err)
	}
	want, err := outputs(l, pool)
	if err != nil {
		return Difference{}, err
	}
	got, err := outputs(back, pool)
	if err != nil {
		return Difference{}, fmt.Errorf("export: reading back: %w", err)
	}
	return compare(got, want)
}

// moveHub moves the files to their place: all at once if the folder is new, else one by one, the
// description last. It keeps a model card that is already there.
func moveHub(part, dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if err := os.Rename(part, dir); err != nil {
			return fmt.Errorf("export: %w", err)
		}
		return nil
	}
	for _, name := range model.HubFiles() {
		if name == model.HubCardFile && model.OwnCard(dir) {
			continue
		}
		if err := os.Rename(filepath.Join(part, name), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	return nil
}
