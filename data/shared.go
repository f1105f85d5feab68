package data

import (
	"path/filepath"
)

// Placed is a dataset whose samples are in files.
type Placed interface {
	// Place returns the file of sample i, and its name within the file if there are others.
	Place(i int) (file, within string)
}

// Shared counts the samples that a and b share: both are the same file, perhaps by a
// symbolic link, or the same place in a file. It also returns the name of the first one.
// Copies of a file do not count: see [FindCopies].
func Shared(a, b Dataset) (count int, first string) {
	places := filePlaces{map[string]string{}}
	in, folders := make(map[samplePlace]int, b.Len()), map[string]bool{}
	for i := range b.Len() {
		place := places.of(b, i)
		if place == (samplePlace{}) {
			continue
		}
		folders[place.folder] = true
		if _, twice := in[place]; !twice {
			in[place] = i
		}
	}
	at := b.Len()
	for i := range a.Len() {
		place := places.of(a, i)
		if !folders[place.folder] { // the usual case
			continue
		}
		if k, ok := in[place]; ok {
			delete(in, place) // a may have it twice
			count++
			at = min(at, k)
		}
	}
	if count > 0 {
		first = b.Name(at)
	}
	return count, first
}

// samplePlace says where a sample is stored; it is empty if this is not known.
type samplePlace struct{ folder, file, within string }

// filePlaces finds out where samples really are. It resolves each folder once.
type filePlaces struct{ folders map[string]string }

// of returns the place of sample i.
func (p filePlaces) of(ds Dataset, i int) samplePlace {
	ds, i = origin(ds, i)
	d, ok := ds.(Placed)
	if !ok {
		return samplePlace{}
	}
	file, within := d.Place(i)
	dir, base := filepath.Split(file)
	real, ok := p.folders[dir]
	if !ok {
		real = realFolder(dir)
		p.folders[dir] = real
	}
	return samplePlace{real, base, within}
}

// realFolder returns the absolute path of a folder without symbolic links.
func realFolder(dir string) string {
	if dir == "" {
		dir = "."
	}
	if path, err := filepath.EvalSymlinks(dir); err == nil {
		dir = path
	}
	if path, err := filepath.Abs(dir); err == nil {
		dir = path
	}
	return dir
}
