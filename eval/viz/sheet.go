package viz

import (
	"fmt"
	"image"
	"io"
	"path/filepath"
	"strings"

	"fasternet/checkpoints"
)

// Sheet is a set of pictures to look at: the same panels for every image.
type Sheet struct {
	Title   string
	Notes   []string // what the reader must know
	Entries []Entry
}

// Entry holds the panels of an image.
type Entry struct {
	Name   string
	Groups []Group
}

// Group holds panels that belong together, such as the panels of a scale.
type Group struct {
	Title  string
	Panels []Panel
}

// Panel is a picture. All panels of a sheet have the same size.
type Panel struct {
	Title   string
	Caption string   // what is special about this panel; may be empty
	Lines   []string // more about it, below the caption
	Image   image.Image
}

// CheckFile returns an error unless a sheet can be written to a file of this name.
func CheckFile(path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".html", ".png":
		return nil
	}
	return fmt.Errorf("%q: want a name that ends in .html (a page) or .png (a picture)", path)
}

// Write writes a page or a picture, by the ending of the name. The file appears when it is
// complete.
func (s *Sheet) Write(path string) error {
	write := map[string]func(io.Writer) error{
		".html": s.WriteHTML,
		".png":  s.WritePNG,
	}[strings.ToLower(filepath.Ext(path))]
	if write == nil {
		return fmt.Errorf("viz: %w", CheckFile(path))
	}
	return checkpoints.WriteAtomic(path, write)
}
