package sets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/internal/disk"
)

// ShardFiles returns the files that a pattern with {000..123}, {a,b}, *, ? and […] stands for,
// sorted within each alternative. It is an error when a file of a brace expansion does not
// exist.
func ShardFiles(pattern string) (files []string, err error) { return shardFiles("", pattern) }

// shardFiles is ShardFiles for a pattern within a folder, whose own name is not a pattern.
func shardFiles(dir, pattern string) (files []string, err error) {
	patterns, err := expandBraces(pattern)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", pattern, err)
	}
	for _, p := range patterns {
		found := []string{under(dir, p, "")}
		if strings.ContainsAny(p, "*?[") {
			if found, err = disk.Glob(dir, p); err != nil {
				return nil, fmt.Errorf("data: %s: %w", p, err)
			}
		} else if _, err := os.Stat(found[0]); err != nil {
			return nil, fmt.Errorf("data: shard of %s: %w", pattern, err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("data: no file matches %s", pattern)
	}
	if first, second, twice := duplicate(files); twice {
		return nil, fmt.Errorf("data: %s: %s occurs twice, as shard %d and %d", pattern, files[first], first, second)
	}
	return files, nil
}

// expandBraces expands {000..012} and {a,b}.
func expandBraces(pattern string) ([]string, error) {
	const most = 1 << 20
	open := strings.IndexByte(pattern, '{')
	if open < 0 {
		return []string{pattern}, nil
	}
	length := strings.IndexByte(pattern[open:], '}')
	if length < 0 {
		return nil, errors.New("a brace is not closed")
	}
	inner, rest := pattern[open+1:open+length], pattern[open+length+1:]
	items := strings.Split(inner, ",")
	if from, to, ok := strings.Cut(inner, ".."); ok {
		a, err1 := strconv.Atoi(from)
		b, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || a < 0 || b < a || b-a >= most {
			return nil, fmt.Errorf("want {first..last} with numbers that rise, got {%s}", inner)
		}
		items = nil
		for i := a; i <= b; i++ {
			items = append(items, fmt.Sprintf("%0*d", len(from), i))
		}
	}
	tails, err := expandBraces(rest)
	if err != nil {
		return nil, err
	}
	if len(items)*len(tails) > most {
		return nil, fmt.Errorf("more than %d files", most)
	}
	var out []string
	for _, item := range items {
		for _, tail := range tails {
			out = append(out, pattern[:open]+item+tail)
		}
	}
	return out, nil
}

var shardsFormat = Format{
	Name:       "shards",
	Doc:        "tar files in WebDataset form",
	Keys:       []string{"train", "val", "classes", "label_kind", "label_key", "label_separator"},
	MultiLabel: true,
	Example:    "train-{000000..000127}.tar",
	Signs:      []string{"train*.tar", "train/*.tar", "train*.tar.*", "train*.tgz"},
	Open: func(p *Part) (data.Dataset, error) {
		labels, err := p.OwnLabels()
		if err == nil && p.Config.Classes == "" {
			labels, err = shardLabels(p.Config.Dir, labels)
		}
		if err != nil {
			return nil, err
		}
		if labels, err = p.LikeTraining(labels); err != nil {
			return nil, err
		}
		files, err := shardsInDir(p)
		if err != nil {
			return nil, err
		}
		ds, err := InspectShards(files, labels)
		return orNil(ds, err)
	},
	Unused: func(d configs.Data) string { return firstFound(d, "val*.tar", filepath.Join("val", "*.tar")) },
}

// shardLabels returns what labels mean in shards that "data shard" has written. It writes a file
// with the names of the classes, and how it writes the labels.
func shardLabels(dir string, l Labels) (Labels, error) {
	names, err := ReadClassMap(filepath.Join(dir, ClassFile))
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, err
	}
	l.From, l.Classes = ClassFile, names
	if kind := ShardLabelKind(dir); kind != "" && l.Kind == LabelAuto {
		l.Kind = kind
	}
	return l, nil
}

// shardsInDir returns the shards of a part: the files that its pattern finds, or <split>*.tar
// in the folder, or *.tar in a folder with the name of the part.
func shardsInDir(p *Part) ([]string, error) {
	if p.File != "" {
		return shardFiles(p.Config.Dir, p.File)
	}
	dir, split := p.Config.Dir, string(p.Split)
	usual := filepath.Join(dir, split+"*.tar")
	for _, pattern := range []string{split + "*.tar", filepath.Join(split, "*.tar")} {
		found, _ := disk.Glob(dir, pattern)
		if err := compressed(dir, pattern, found); err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return found, nil
		}
	}
	return nil, fmt.Errorf("data: no shards %s; name them with data.%s, e.g. %s-{000000..000127}.tar",
		usual, split, split)
}

// compressed returns an error if a shard was not found because it is compressed.
func compressed(dir, pattern string, found []string) error {
	others, _ := disk.Glob(dir, strings.TrimSuffix(pattern, ".tar")+".t*")
	for _, file := range others {
		if name, ok := CompressedShard(file); ok && !slices.Contains(found, name) {
			return fmt.Errorf("data: %s: a compressed shard; images are read directly from a shard, "+
				"so decompress it first", file)
		}
	}
	return nil
}
