package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNotPlain says that there is a link, a pipe or a device where a file is to be written.
// Whoever made the folder would decide where the bytes go.
var ErrNotPlain = errors.New("nothing is written through it")

// Plain returns an error that wraps ErrNotPlain if there is something else than a plain file
// at a path. A file that is not there yet is one.
func Plain(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return plain(path, info)
}

func plain(path string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return fmt.Errorf("%s is a folder: want a file", path)
	case mode&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link: %w; remove it", path, ErrNotPlain)
	default:
		return fmt.Errorf("%s is a pipe or a device and not a file: %w; remove it", path, ErrNotPlain)
	}
}

// plainFolder returns an error if a folder is a link.
func plainFolder(dir string) error {
	if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s is a symbolic link: %w; to have a run elsewhere, let its own folder be a link", dir, ErrNotPlain)
	}
	return nil
}

// plainPath returns an error if a folder between a claimed one and a path in it is a link.
func plainPath(path string) error {
	path = filepath.Clean(path)
	for _, c := range claimed() {
		if !c.has(path) {
			continue
		}
		for dir := filepath.Dir(path); len(dir) > len(c.dir) && dir != "." && dir != c.dir; dir = filepath.Dir(dir) {
			if err := plainFolder(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// has says whether a path is in the folder, or the folder.
func (c *claim) has(path string) bool {
	return path == c.dir || strings.HasPrefix(path, c.dir+string(os.PathSeparator)) || c.dir == "." && !filepath.IsAbs(path)
}

// openPlain opens a file to write. The name is looked at before, which is all that some
// systems can do; others also refuse to follow a link that has just taken its place.
func openPlain(path string, how int) (*os.File, error) {
	if err := Plain(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, how|NoFollow, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = plain(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
