package sets

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"fasternet/data/picture"
)

// look is what only the file itself says about an entry of a folder: where a symbolic link leads, and whether a file
// without an ending is an image.
type look struct {
	mode    fs.FileMode
	linkErr error // the link cannot be followed
	image   bool  // of a regular file
	err     error // the file cannot be read to find that out
}

// lookers is how many entries are looked at at a time. On a network disk most of the time is spent waiting.
const lookers = 32

// looks looks at the entries of a folder whose names and types do not say enough, by their positions.
func looks(folder string, entries []fs.DirEntry) map[int]look {
	var need []int
	for i, e := range entries {
		link := e.Type()&fs.ModeSymlink != 0
		if !hidden(e.Name()) && (link || e.Type().IsRegular() && !picture.NameDecides(e.Name())) {
			need = append(need, i)
		}
	}
	found := make([]look, len(need))
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(lookers, len(need)) {
		group.Go(func() {
			for k := int(next.Add(1)) - 1; k < len(need); k = int(next.Add(1)) - 1 {
				e := entries[need[k]]
				found[k] = lookAt(filepath.Join(folder, e.Name()), e.Type())
			}
		})
	}
	group.Wait()
	at := make(map[int]look, len(need))
	for k, i := range need {
		at[i] = found[k]
	}
	return at
}

func lookAt(path string, mode fs.FileMode) (l look) {
	if l.mode = mode; mode&fs.ModeSymlink != 0 {
		info, err := os.Stat(path)
		if err != nil {
			l.linkErr = err
			return l
		}
		l.mode = info.Mode()
	}
	if l.mode.IsRegular() {
		l.image, l.err = picture.IsImageFile(path)
	}
	return l
}
