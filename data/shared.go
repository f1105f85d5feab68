package data

import (
	"path/filepath"
)

// Placed is a dataset whose samples lie in files.
type Placed interface {
	// Place is the file of sample i, and what sample i is called in it if there are others.
	Place(i int) (file, within string)
}

// Shared counts the samples of b that are samples of a too, since both are the same file,
// also by a symbolic link, or the same place in it. It gives the name of the first one.
// Files that are copies of each other do not count: see [FindCopies].
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
		if !folders[place.folder] { // mostly
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

// samplePlace is where a sample lies; it is empty if that is not known.
type samplePlace struct{ folder, file, within string }

// filePlaces finds out where samples really lie. Folders are asked for once.
type filePlaces struct{ folders map[string]string }

// of is the place of sample i.
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

// realFolder is the absolute path of a folder without symbolic links.
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
