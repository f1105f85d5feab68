package picture

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// imageEndings are the endings of files that count as images, whatever their content is.
var imageEndings = []string{
	".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff",
	".ppm", ".pgm", ".pbm", ".pnm",
}

// UnreadEndings are endings of images that are not decoded; see [foreign].
var UnreadEndings = []string{
	".avif", ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".jxr", ".psd", ".svg", ".ico", ".icns",
	".tga", ".pcx", ".dds", ".qoi", ".exr", ".hdr", ".pfm", ".pam", ".dcm", ".fits",
	".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf",
}

// ImageNames lists the endings of images, for messages.
var ImageNames = strings.Join(imageEndings, ", ")

// HasImageName says whether a name has the ending of an image.
func HasImageName(name string) bool {
	return slices.Contains(imageEndings, strings.ToLower(filepath.Ext(name)))
}

// NameDecides says whether the name alone decides if a file counts as an image.
func NameDecides(name string) bool { return HasImageName(name) || hasEnding(name) }

// hasEnding says whether a name has an ending: up to five letters and digits after the last
// dot, but not digits alone, as in "img.0001" or "2021.05.06".
func hasEnding(name string) bool {
	ending := strings.TrimPrefix(filepath.Ext(name), ".")
	letters := false
	for _, r := range ending {
		digit := '0' <= r && r <= '9'
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !digit && !letter {
			return false
		}
		letters = letters || letter
	}
	return letters && len(ending) <= 5
}

// IsImageFile says whether a file counts as an image: by the ending of its name, or, if it
// has none, by its first bytes. It is an error when a file without an ending cannot be read.
func IsImageFile(path string) (bool, error) {
	if HasImageName(path) {
		return true, nil
	}
	if hasEnding(path) {
		return false, nil
	}
	f, _, err := OpenFile(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	start := make([]byte, 32)
	n, err := io.ReadFull(f, start)
	if n == 0 && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("data: %w", err)
	}
	return Format(start[:n]) != "", nil
}
