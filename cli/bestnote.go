package cli

import (
	"os"
	"path/filepath"

	"fasternet/model"
	"fasternet/train"
)

// noteBest warns if the folder of a run lacks the best checkpoint of its log: another one is used then.
func noteBest(path string, m *model.Loaded) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() || train.InUse(path) != "" {
		return
	}
	if wrong := train.CheckBest(path, m.Config.Checkpoint.Monitor); wrong != "" {
		display().
			Line("warning: %s: %s; using %s. train --resume restores it if possible",
				path, wrong, filepath.Base(m.Path))
	}
}
