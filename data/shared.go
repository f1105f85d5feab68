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
	places.each(b, func(i int, place samplePlace) {
		if place == (samplePlace{}) {
			return
		}
		folders[place.folder] = true
		if _, twice := in[place]; !twice {
			in[place] = i
		}
	})
	at := b.Len()
	places.each(a, func(_ int, place samplePlace) {
		if !folders[place.folder] { // the usual case
			return
		}
		if k, ok := in[place]; ok {
			delete(in, place) // a may have it twice
			count++
			at = min(at, k)
		}
	})
	if count > 0 {
		first = b.Name(at)
	}
	return count, first
}

// samplePlace says where a sample is stored; it is empty if this is not known.
type samplePlace struct{ folder, file, within string }

// filePlaces finds out where samples really are. It resolves each folder once.
type filePlaces struct{ folders map[string]string }

// each calls f for all samples, in their order. It asks several samples at a time for their files: to follow a
// link on a network disk takes its time.
func (p filePlaces) each(ds Dataset, f func(i int, place samplePlace)) {
	const together = 4096
	var files, within [together]string
	for from := 0; from < ds.Len(); from += together {
		n := min(together, ds.Len()-from)
		each(n, func(k int) {
			files[k], within[k] = "", ""
			holder, i := origin(ds, from+k)
			if d, ok := holder.(Placed); ok {
				files[k], within[k] = d.Place(i)
			}
		})
		for k := range n {
			f(from+k, p.place(files[k], within[k]))
		}
	}
}

// place returns where a file really is.
func (p filePlaces) place(file, within string) samplePlace {
	if file == "" {
		return samplePlace{}
	}
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
