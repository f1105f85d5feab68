package sets

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"fasternet/data"
)

// infoFile is where WebDataset readers look for the number of samples.
const infoFile = "_info.json"

// shardInfo is the content of infoFile.
type shardInfo struct {
	Splits map[string]shardSplit `json:"splits"`
	// LabelKind is our addition: class names may look like numbers.
	LabelKind LabelKind `json:"label_kind,omitempty"`
}

type shardSplit struct {
	NumSamples   int      `json:"num_samples"`
	Filenames    []string `json:"filenames"`
	ShardLengths []int    `json:"shard_lengths"`
}

// readShardInfo reads the file in a folder of shards. The file may be missing, or another
// program's with other content.
func readShardInfo(dir string) (info shardInfo) {
	path := filepath.Join(dir, infoFile)
	if stat, err := os.Stat(path); err != nil || stat.Size() > 1<<26 {
		return shardInfo{}
	}
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &info) != nil {
		return shardInfo{}
	}
	return info
}

// ShardLabelKind returns how the labels of the shards in a folder are written, if
// [WriteShards] has written them; otherwise "".
func ShardLabelKind(dir string) LabelKind {
	if kind := readShardInfo(dir).LabelKind; kind == LabelNumber {
		return kind
	}
	return ""
}

// writeInfo adds the split to infoFile.
func (w *shardWriter) writeInfo() error {
	info := readShardInfo(w.dir) // has the other splits, and perhaps an old version of this one
	if info.Splits == nil {
		info.Splits = map[string]shardSplit{}
	}
	info.Splits[w.o.Name] = shardSplit{w.ds.Len(), w.files, w.lengths}
	if !data.Unlabelled(w.ds) {
		info.LabelKind = LabelNumber
	}
	text, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return writeWhole(filepath.Join(w.dir, infoFile), append(text, '\n'))
}
