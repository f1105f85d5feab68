package verify

import (
	"io/fs"
	"os"
	"path/filepath"

	"fasternet/internal/finite"
	"fasternet/model"
)

func isHub(path string, info fs.FileInfo, _ []byte) bool {
	if !info.IsDir() {
		return false
	}
	_, err := os.Stat(filepath.Join(path, model.HubConfigFile))
	return err == nil
}

// checkHub verifies a folder in timm's format: config.json must be known, the tensors must fit its
// model, and all values must be finite.
func checkHub(r *Report) error {
	l, err := model.Open(r.Path, model.LoadOptions{Headless: true, AllowNaN: true, Remedies: &model.Remedies{}})
	if err != nil {
		return err
	}
	var numbers finite.Count
	for _, t := range model.Tensors(l.Model.Store()) {
		numbers.Add(t.Name, t.F32)
	}
	r.Facts = l.Config.Model.Name + ", " + numbers.String()
	if l.Headless {
		r.Facts += ", without a classifier"
	}
	return numbers.Err()
}
