package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNotPlain says that a file to write is a link, a pipe or a device. Otherwise the owner of the
// folder could decide where the bytes go.
var ErrNotPlain = errors.New("nothing is written through it")

// Plain returns an error that wraps ErrNotPlain if the path is not a plain file. A file that does
// not exist yet is fine.
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
		return fmt.Errorf("%s is a symbolic link: %w; to have a run elsewhere, make its own folder a link",
			dir, ErrNotPlain)
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

// has reports whether a path is the folder, or in it.
func (c *claim) has(path string) bool {
	return path == c.dir ||
		strings.HasPrefix(path, c.dir+string(os.PathSeparator)) ||
		c.dir == "." && !filepath.IsAbs(path)
}

// openPlain opens a file to write. It checks the name first; on some systems it can do no more. Other
// systems also refuse to follow a link that appears after the check.
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
