package sets

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/internal/disk"
	"fasternet/internal/rng"
)

// ShardOptions says how [WriteShards] writes.
type ShardOptions struct {
	Name     string // of the split; the shards are called <Name>-000000.tar
	PerShard int    // samples in a shard
	Shuffle  bool   // in an order drawn by the seed, for readers that read shards from end to end
	Seed     uint64
	Progress func(done, total int) // may be nil
}

// ClassFile is the file of class names that [WriteShards] writes.
const ClassFile = "classes.txt"

// The header of an image has a comment with the name of the sample in the data set that the
// shards were made from. Other readers do not warn about a comment, but about any other kind of
// record.
const (
	paxComment  = "comment"
	nameComment = "sample="
)

// WriteShards writes a dataset as tar files in WebDataset form to dir. For each sample it
// writes the image, as the file that it is or as a PNG, and the class index, if there are
// labels; a comment in the header keeps the name of the sample. It adds the class names, and
// _info.json with the number of samples. A shard gets its final name only when it is complete.
// It is an error when a label is not one of the classes, or when dir has shards that would be
// read as part of the dataset.
func WriteShards(ctx context.Context, dir string, ds data.Dataset, o ShardOptions) error {
	if o.PerShard < 1 {
		return fmt.Errorf("data: %d samples in a shard; at least 1 is needed", o.PerShard)
	}
	if _, err := data.CountClasses(ds); err != nil {
		return err
	}
	if err := writableNames(ds); err != nil {
		return err
	}
	if err := checkOldShards(dir, ds, o); err != nil {
		return err
	}
	ds, err := withShardClasses(dir, ds, o)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	w := &shardWriter{dir: dir, ds: ds, o: o}
	n := ds.Len()
	order := func(i int) int { return i }
	if o.Shuffle {
		perm := rng.New(o.Seed, rng.Shard).Perm(n)
		order = func(i int) int { return perm[i] }
	}
	for first := 0; first < n; first += o.PerShard {
		if err := w.shard(ctx, first, min(first+o.PerShard, n), order); err != nil {
			return err
		}
	}
	if !data.Unlabelled(ds) {
		if err := writeWhole(filepath.Join(dir, ClassFile), classFile(ds)); err != nil {
			return err
		}
	}
	return w.writeInfo()
}

// classFile returns the content of the file of class names.
func classFile(ds data.Dataset) []byte { return []byte(strings.Join(ds.Classes(), "\n") + "\n") }

// writableNames returns an error unless each class name can be a line of a file, and is read
// back as it is.
func writableNames(ds data.Dataset) error {
	if data.Unlabelled(ds) {
		return nil
	}
	for c, name := range ds.Classes() {
		plain := name != "" && name == strings.TrimSpace(name)
		if !plain || strings.ContainsAny(name, "\r\n\x00") || !utf8.ValidString(name) {
			return fmt.Errorf("data: class %d is called %q, which cannot be a line of %s; rename it",
				c, name, ClassFile)
		}
	}
	return nil
}

// checkOldShards returns an error if the folder has shards that would be read as part of the
// new ones, and that these do not replace.
func checkOldShards(dir string, ds data.Dataset, o ShardOptions) error {
	old, err := disk.Glob(dir, o.Name+"*.tar")
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	shards := (ds.Len() + o.PerShard - 1) / o.PerShard
	for _, path := range old {
		var n int
		base := filepath.Base(path)
		_, err := fmt.Sscanf(base, o.Name+"-%06d.tar", &n)
		replaced := err == nil && base == shardName(o.Name, n) && n < shards
		if !replaced {
			return fmt.Errorf("data: %s exists already and would be read as one of the %d new shards: "+
				"remove it, or choose another folder", path, shards)
		}
	}
	return nil
}

// withShardClasses gives a dataset the labels of the other part, if its shards are in the folder
// already: both parts share the file of class names. A part may lack some of them.
func withShardClasses(dir string, ds data.Dataset, o ShardOptions) (data.Dataset, error) {
	others := readShardInfo(dir).Splits
	delete(others, o.Name)
	if len(others) == 0 || data.Unlabelled(ds) {
		return ds, nil
	}
	path := filepath.Join(dir, ClassFile)
	names, err := ReadClassMap(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ds, nil
	}
	if err != nil {
		return nil, err
	}
	at, index := indexOf(names), make([]int, len(ds.Classes()))
	for c, name := range ds.Classes() {
		var ok bool
		if index[c], ok = at[name]; !ok {
			return nil, fmt.Errorf("data: %s has no class %q; "+
				"it belongs to the other part, whose shards are there: "+
				"write the training part first, or choose another folder", path, name)
		}
	}
	return data.Relabel(ds, index, names)
}

func shardName(split string, n int) string { return fmt.Sprintf("%s-%06d.tar", split, n) }

type shardWriter struct {
	dir     string
	ds      data.Dataset
	o       ShardOptions
	files   []string
	lengths []int
	buf     []byte
}

// shard writes the samples [first, end) of the order.
func (w *shardWriter) shard(ctx context.Context, first, end int, order func(int) int) error {
	name := shardName(w.o.Name, len(w.files))
	final := filepath.Join(w.dir, name)
	f, err := os.Create(final + ".tmp")
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	t := tar.NewWriter(f)
	for i := first; i < end; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.sample(t, i, order(i)); err != nil {
			return err
		}
		if w.o.Progress != nil {
			w.o.Progress(i+1, w.ds.Len())
		}
	}
	rename := func() error { return os.Rename(f.Name(), final) }
	for _, step := range []func() error{t.Close, f.Sync, f.Close, rename} {
		if err := step(); err != nil {
			return fmt.Errorf("data: writing a shard: %w", err)
		}
	}
	w.files, w.lengths = append(w.files, name), append(w.lengths, end-first)
	return nil
}

// sample writes sample i under a number, which is unique and sorts in the order of writing.
func (w *shardWriter) sample(t *tar.Writer, number, i int) error {
	content, ok, err := data.Encoded(w.ds, i, w.buf)
	if err != nil {
		return err
	}
	ending := "png"
	if ok {
		w.buf = content[:0]
		if ending = picture.Format(content); ending == "" {
			return fmt.Errorf("data: %s: %w", w.ds.Name(i), picture.ErrNotAnImage)
		}
	} else {
		m, o, err := data.StoredPixels(w.ds, i)
		if err != nil {
			return err
		}
		if content, err = m.PNG(); err != nil {
			return fmt.Errorf("data: %s: %w", w.ds.Name(i), err)
		}
		content = picture.WithEXIF(content, "png", o)
	}
	type part struct {
		key     string
		content []byte
	}
	parts := []part{{ending, content}}
	if !data.Unlabelled(w.ds) {
		if data.IsMultiLabel(w.ds) {
			labels := append([]int{}, data.LabelSet(w.ds, i)...)
			text, err := json.Marshal(map[string][]int{"labels": labels})
			if err != nil {
				return fmt.Errorf("data: %w", err)
			}
			parts = append(parts, part{"json", text})
		} else {
			parts = append(parts, part{"cls", fmt.Append(nil, w.ds.Label(i))})
		}
	}
	for _, part := range parts {
		// Equal data sets give equal shards: no owner, no time.
		h := &tar.Header{
			Name:    fmt.Sprintf("%08d.%s", number, part.key),
			Mode:    0o644,
			Size:    int64(len(part.content)),
			ModTime: time.Unix(0, 0),
		}
		if part.key == ending {
			h.PAXRecords = map[string]string{paxComment: nameComment + data.Key(w.ds, i)}
		}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("data: writing a shard: %w", err)
		}
		if _, err := t.Write(part.content); err != nil {
			return fmt.Errorf("data: writing a shard: %w", err)
		}
	}
	return nil
}

// writeWhole writes a small file: afterwards it exists as a whole or not at all.
func writeWhole(path string, content []byte) error {
	if err := os.WriteFile(path+".tmp", content, 0o644); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}
