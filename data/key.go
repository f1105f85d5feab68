package data

import (
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// keyed is a dataset that calls its samples by names of its own.
type keyed interface {
	// key is the name of sample i within the dataset.
	key(i int) string
}

// Key is what sample i is called within its dataset, with / between folders: it stays
// the same when the folder of the dataset moves, when samples are added or removed, and
// when members go to other shards. Samples of one file of pixels are called by their
// numbers in it.
func Key(ds Dataset, i int) string {
	ds, i = origin(ds, i)
	if k, ok := ds.(keyed); ok {
		return k.key(i)
	}
	return ds.Name(i)
}

func (d *ImageFolder) key(i int) string { return filepath.ToSlash(d.files[i]) }

func (d *Annotations) key(i int) string {
	file := d.files[i]
	if filepath.IsAbs(file) {
		file = d.within(file)
	}
	return path.Clean(filepath.ToSlash(file))
}

// within is an absolute path relative to the root, if it lies there, maybe by a symbolic
// link; otherwise the path itself.
func (d *Annotations) within(file string) string {
	for _, root := range d.absoluteRoots() {
		if within, err := filepath.Rel(root, file); err == nil && filepath.IsLocal(within) {
			return within
		}
	}
	return file
}

// absoluteRoots are the absolute forms of the root: as it is called, and without links.
func (d *Annotations) absoluteRoots() []string {
	d.once.Do(func() {
		if root, err := filepath.Abs(d.root); err == nil {
			d.roots = append(d.roots, root)
		}
		if root, err := filepath.EvalSymlinks(d.root); err == nil {
			if root, err = filepath.Abs(root); err == nil {
				d.roots = append(d.roots, root)
			}
		}
	})
	return d.roots
}

func (d *Shards) key(i int) string {
	if s := d.samples[i]; s.key != "" {
		return s.key
	}
	return d.samples[i].name
}

func (d *Packed) key(i int) string {
	if name := d.packedName(i); name != "" {
		return filepath.ToSlash(name)
	}
	return strconv.Itoa(i)
}

func (d *IDX) key(i int) string {
	return strings.TrimSuffix(d.name, ".gz") + "[" + strconv.Itoa(i) + "]"
}

func (d *CIFAR) key(i int) string { return filepath.Base(d.Name(i)) }

func (f Files) key(i int) string { return filepath.ToSlash(f[i]) }
