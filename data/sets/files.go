package sets

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"fasternet/data"
	"fasternet/data/picture"
)

// Files is a dataset of image files without labels, in the order given. All are of class 0,
// which has no name.
type Files []string

// Len returns the number of files.
func (f Files) Len() int { return len(f) }

// Classes returns one class without a name.
func (Files) Classes() []string { return []string{""} }

// Label returns 0.
func (Files) Label(int) int { return 0 }

// Image decodes file i, see [picture.ReadImage].
func (f Files) Image(i int) (*picture.Image, error) { return picture.ReadImage(f[i]) }

// Encoded returns the content of the file of sample i.
func (f Files) Encoded(i int, buf []byte) (content []byte, ok bool, err error) {
	content, err = picture.ReadFile(f[i], buf)
	return content, true, err
}

// EncodedRange returns a part of the file of sample i.
func (f Files) EncodedRange(i int, offset, size int64, buf []byte) ([]byte, error) {
	return picture.ReadPart(f[i], offset, size, buf)
}

// As returns the dataset of the files, decoded in this way.
func (f Files) As(how picture.Decoding) data.Dataset {
	d := &decodedFiles{Files: f}
	d.DecodeAs(how)
	return d
}

type decodedFiles struct {
	Files
	data.Decoder
}

func (f *decodedFiles) Image(i int) (*picture.Image, error) {
	return f.Decoding().ReadImage(f.Files[i])
}

// Name returns the path of file i.
func (f Files) Name(i int) string { return f[i] }

// ListImages lists the images in a folder and below it (by name, see [OpenImageFolder]), sorted
// by path. The paths begin with the folder. It follows symbolic links and leaves out names that
// start with a dot; left lists all files that are left out. It is an error when there are no
// images, or when a folder cannot be read.
func ListImages(folder string) (files Files, left []data.LeftOut, err error) {
	d := &ImageFolder{root: folder}
	d.list("", nil)
	if err := data.CheckFaults(d, true); err != nil {
		return nil, d.left, err
	}
	if len(d.files) == 0 {
		text := fmt.Sprintf("data: %s: no images (%s by name) in this folder or below", folder, picture.ImageNames)
		if left := data.DescribeLeftOut(d.left); left != "" {
			text += "; " + left
		}
		return nil, d.left, errors.New(text)
	}
	slices.Sort(d.files)
	files = make(Files, len(d.files))
	for i := range files {
		files[i] = d.Name(i)
	}
	return files, d.left, nil
}

// Key returns the name of sample i within the dataset.
func (f Files) Key(i int) string { return filepath.ToSlash(f[i]) }

// StampSize returns the size of the file of sample i in bytes.
func (f Files) StampSize(i int) uint64 { return fileSize(f[i]) }

// Stamp returns the size of the file of sample i in bytes, and when it was last changed.
func (f Files) Stamp(i int) (size uint64, changed int64) { return fileStamp(f[i]) }

// Place returns the file of sample i.
func (f Files) Place(i int) (file, within string) { return f[i], "" }
