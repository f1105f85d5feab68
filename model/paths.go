package model

import (
	"encoding/json"
	"fmt"

	"fasternet/configs"
	"fasternet/formats/torch"
)

// PathsKey is the key in a checkpoint's metadata for the absolute forms of the relative paths in its
// configuration (configs.Paths, JSON). An export has none: paths of this machine are of no use to others.
const PathsKey = "paths"

// Paths returns the absolute forms of the relative paths in the configuration of a run's folder or a
// checkpoint; nil if it has none.
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

// AddPaths adds the absolute forms of the relative paths of a configuration to the metadata of a
// checkpoint, if there are any.
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

// TrainedOn returns the data set that the classifier of a checkpoint or an export was trained on, with
// absolute paths if the file has them; nil if the file has none.
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
