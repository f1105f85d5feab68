package data

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ImageFolder is a dataset of image files in one folder per class.
type ImageFolder struct {
	root    string
	classes []string
	files   []string // relative to root
	labels  []int32
}

// splitFolders are the names under which the folder of a split is looked for.
var splitFolders = map[Split][]string{
	Train: {"train", "training"},
	Val:   {"val", "valid", "validation", "eval", "evaluation", "test"},
	Test:  {"test"},
}

// OpenImageFolder lists the images of root/<split>/<class>/**/*, which are told by
// the endings jpg, jpeg, png, webp, bmp, tif and tiff in any case. The folder of [Train] is train or training; that of [Val] is the
// first there is of val, valid, validation, eval, evaluation and test; that of
// [Test] is test. With split "" the class folders are those in root itself.
//
// The index of a class is its position in the list of class folders, sorted by
// code point. Files are sorted by path within a class. Symbolic links are
// followed; names that start with a dot are ignored, and so are files outside the
// class folders. It is an error when a class folder has no images.
func OpenImageFolder(root string, split Split) (*ImageFolder, error) {
	if split != "" {
		var err error
		if root, err = FindSplit(root, split); err != nil {
			return nil, err
		}
	}
	return OpenClassFolders(root, nil)
}

// OpenClassFolders is [OpenImageFolder] of the class folders in root. With a class
// map the index of a class is its position there; folders of other names are left
// out, and it is an error when one of its classes has no folder.
func OpenClassFolders(root string, classes []string) (*ImageFolder, error) {
	top, err := os.Stat(root)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	d := &ImageFolder{root: root, classes: classes}
	if classes != nil {
		return d, d.mapped(classes, entries, top)
	}
	for _, e := range entries { // sorted by name
		if hidden(e.Name()) {
			continue
		}
		path := filepath.Join(root, e.Name())
		info, err := os.Stat(path)
		if err != nil { // skipping a broken link would shift the class indices
			return nil, fmt.Errorf("data: %w; remove or repair it", err)
		}
		if !info.IsDir() {
			continue
		}
		if err := d.class(e.Name(), len(d.classes), top); err != nil {
			return nil, err
		}
		d.classes = append(d.classes, e.Name())
	}
	if len(d.classes) == 0 {
		return nil, fmt.Errorf("data: %s: no class folders; put the images of each class into a folder of its own", root)
	}
	return d, nil
}

// mapped lists the folders of a class map.
func (d *ImageFolder) mapped(classes []string, entries []fs.DirEntry, top fs.FileInfo) error {
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Name()] = true
	}
	for c, name := range classes {
		if !there[name] {
			return fmt.Errorf("data: %s: no folder of class %d, %q, which the class map has", d.root, c, name)
		}
		if err := d.class(name, c, top); err != nil {
			return err
		}
	}
	return nil
}

// class appends the images of a class folder.
func (d *ImageFolder) class(name string, label int, top fs.FileInfo) error {
	first := len(d.files)
	if err := d.list(name, []fs.FileInfo{top}); err != nil {
		return err
	}
	if len(d.files) == first {
		return fmt.Errorf("data: %s: no images (%s by name) in this class folder; remove it or add images",
			filepath.Join(d.root, name), imageNames)
	}
	slices.Sort(d.files[first:])
	for range d.files[first:] {
		d.labels = append(d.labels, int32(label))
	}
	return nil
}

// FindSplit is the folder of a split in root, by its usual names.
func FindSplit(root string, split Split) (string, error) {
	names := splitFolders[split]
	if names == nil {
		return "", fmt.Errorf("data: unknown split %q; use %s, %s or %s", string(split), Train, Val, Test)
	}
	for _, name := range names {
		if path := filepath.Join(root, name); isFolder(path) {
			return path, nil
		}
	}
	if !isFolder(root) {
		return "", fmt.Errorf("data: %s: no such folder", root)
	}
	hint := "put the images of a class into " + filepath.Join(root, names[0], "<class>")
	if split != Test {
		hint += ", or let data.val_fraction hold images out, e.g. 0.1"
	}
	return "", fmt.Errorf("data: %s: no folder of the %s split; looked for %s: %s",
		root, split, strings.Join(names, ", "), hint)
}

// list appends the images in the folder rel and below. The folders above it are
// known by above, since a symbolic link may lead back to one of them.
func (d *ImageFolder) list(rel string, above []fs.FileInfo) error {
	path := filepath.Join(d.root, rel)
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	for _, a := range above {
		if os.SameFile(a, info) {
			return fmt.Errorf("data: %s: this symbolic link leads back to a folder above it; remove it", path)
		}
	}
	above = append(slices.Clip(above), info)
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		name := filepath.Join(rel, e.Name())
		mode := e.Type()
		if mode&fs.ModeSymlink != 0 {
			target, err := os.Stat(filepath.Join(d.root, name))
			switch {
			case err == nil:
				mode = target.Mode()
			case errors.Is(err, fs.ErrNotExist) && !hasImageName(name):
				continue
			default:
				return fmt.Errorf("data: following a symbolic link: %w", err)
			}
		}
		switch {
		case mode.IsDir():
			if err := d.list(name, above); err != nil {
				return err
			}
		case mode.IsRegular() && hasImageName(name):
			d.files = append(d.files, name)
		}
	}
	return nil
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// imageNames are the endings of files that are taken for images.
const imageNames = ".jpg, .jpeg, .png, .webp, .bmp, .tif, .tiff"

func hasImageName(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff":
		return true
	}
	return false
}

// isFolder reports whether path is a folder or a symbolic link to one.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Len is the number of images.
func (d *ImageFolder) Len() int { return len(d.files) }

// Classes lists the names of the class folders.
func (d *ImageFolder) Classes() []string { return d.classes }

// Label is the class index of image i.
func (d *ImageFolder) Label(i int) int { return int(d.labels[i]) }

// Image decodes image i, see [ReadImage].
func (d *ImageFolder) Image(i int) (*Image, error) { return ReadImage(d.Name(i)) }

func (d *ImageFolder) encoded(i int, buf []byte) ([]byte, error) { return readFile(d.Name(i), buf) }

// Name is the path of image i.
func (d *ImageFolder) Name(i int) string { return filepath.Join(d.root, d.files[i]) }
