package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/internal/printable"
	"fasternet/model"
	"fasternet/train"
)

func isRun(path string, info fs.FileInfo, _ []byte) bool { return info.IsDir() && train.Holds(path) }

// checkRun verifies the folder of a run: its configuration and logs, and every checkpoint, whose
// model must be the model of the configuration.
func checkRun(r *Report) error {
	folder := train.Checkpoints(r.Path)
	var problems []string
	config, err := train.Config(r.Path)
	if err != nil {
		problems = append(problems, err.Error())
	}
	lines, err := train.CheckLogs(r.Path)
	if err != nil {
		lines = err.Error()
	}
	if lines != "" {
		problems = append(problems, lines)
	}
	if config != nil && train.InUse(r.Path) == "" {
		if best := train.CheckBest(r.Path, config.Checkpoint.Monitor); best != "" {
			problems = append(problems, best)
		}
	}
	if err := train.CheckFingerprint(r.Path); err != nil {
		problems = append(problems, err.Error())
	}
	names, left, err := contents(r.Path, folder.Dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		part := kind{name: "checkpoint", check: checkSafetensors}.verify(folder.Path(name))
		if part.Problem == "" && config != nil && part.Kind == "checkpoint" {
			part.Problem = differs(config, part.Path)
		}
		r.Parts = append(r.Parts, part)
	}
	bad := 0
	for _, p := range r.Parts {
		if !p.OK() {
			bad++
		}
	}
	if bad > 0 {
		problems = append(problems, fmt.Sprintf("%d of its %d checkpoints are damaged", bad, len(r.Parts)))
	}
	r.Facts = printable.Count(len(r.Parts), "checkpoint")
	if user := train.InUse(r.Path); user != "" {
		r.Facts += "; in use by " + user
	} else if left > 0 {
		r.Facts += fmt.Sprintf("; %s that a killed process left half-written, which --resume removes",
			printable.Count(left, "file"))
	}
	newest := r.newest(folder)
	switch {
	case newest != "":
	case config == nil:
		newest = "its configuration cannot be read, so it is unknown where --resume would go on"
	default:
		newest = "no checkpoint is complete: --resume starts from the beginning"
	}
	if len(problems) == 0 {
		r.Facts += "; " + newest
		return nil
	}
	r.Rescue = newest
	return errors.New(strings.Join(problems, "; "))
}

// contents lists the checkpoints of a run, and counts half-written files.
func contents(run, dir string) (names []string, left int, err error) {
	for _, d := range []string{run, dir} {
		entries, err := os.ReadDir(d)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, 0, err
		}
		for _, e := range entries {
			switch {
			case checkpoints.Unfinished(e.Name()):
				left++
			case d == dir && strings.HasSuffix(e.Name(), ".safetensors"):
				names = append(names, e.Name())
			}
		}
	}
	return names, left, nil
}

// differs says how the model of a checkpoint differs from the configuration.
func differs(c *configs.Config, path string) string {
	f, err := checkpoints.Read(path)
	if err == nil {
		err = model.Fits(f, c)
	}
	if err != nil {
		return fmt.Sprintf("its model differs from %s: %v", train.ConfigFile, err)
	}
	return ""
}

// newest says where --resume would go on.
func (r *Report) newest(folder checkpoints.Folder) string {
	for _, name := range folder.Names() {
		i := slices.IndexFunc(r.Parts, func(p Report) bool { return p.Path == folder.Path(name) })
		if i >= 0 && r.Parts[i].OK() {
			at, _, _ := strings.Cut(r.Parts[i].Facts, ",")
			return fmt.Sprintf("--resume goes on from %s, %s", name, at)
		}
	}
	return ""
}
