package cli

import (
	"os"
	"path/filepath"

	"fasternet/model"
	"fasternet/train"
)

// noteBest warns if a run's folder has not the best checkpoint that its log tells of: what
// is measured then is another one.
func noteBest(path string, m *model.Loaded) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() || train.InUse(path) != "" {
		return
	}
	if wrong := train.CheckBest(path, m.Config.Checkpoint.Monitor); wrong != "" {
		display().Line("warning: %s: %s; taking %s. train --resume writes it again if it can", path, wrong, filepath.Base(m.Path))
	}
}
