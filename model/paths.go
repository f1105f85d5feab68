package model

import (
	"encoding/json"
	"fmt"

	"fasternet/configs"
	"fasternet/formats/torch"
)

// PathsKey is the key in a checkpoint's metadata of the absolute forms of the relative
// paths in its configuration (configs.Paths, JSON). An export has none: what is meant for
// others does not say where things are on this machine.
const PathsKey = "paths"

// Paths are the absolute forms of the relative paths in the configuration of a run's folder
// or a checkpoint; nil if it has none.
func Paths(path string) configs.Paths {
	path, err := find(path)
	if err != nil {
		return nil
	}
	meta, err := torch.Meta(path)
	if err != nil || meta[FormatKey] != format {
		return nil
	}
	var p configs.Paths
	if json.Unmarshal([]byte(meta[PathsKey]), &p) != nil {
		return nil
	}
	return p
}

// AddPaths puts the absolute forms of the relative paths of a configuration into the
// metadata of a checkpoint, if there are any.
func AddPaths(meta map[string]string, p configs.Paths) error {
	if len(p) == 0 {
		return nil
	}
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("model: paths: %w", err)
	}
	meta[PathsKey] = string(text)
	return nil
}

// TrainedOn is the data set that the classifier in a checkpoint or an export was trained
// on, with absolute paths if the file has them; nil if it does not say.
func TrainedOn(path string) *configs.Data {
	meta, err := torch.Meta(path)
	if err != nil || meta[ConfigKey] == "" {
		return nil // of another program
	}
	c, err := configs.Parse(path, meta[ConfigKey])
	if err != nil || !c.Classifies() {
		return nil
	}
	c.Locate(Paths(path))
	return &c.Data
}
