package sets

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"fasternet/data"
	"fasternet/data/picture"
)

// Files is a dataset of image files without labels, in the order given. All are
// of class 0, which has no name.
type Files []string

// Len is the number of files.
func (f Files) Len() int { return len(f) }

// Classes is one class without a name.
func (Files) Classes() []string { return []string{""} }

// Label is 0.
func (Files) Label(int) int { return 0 }

// Image decodes file i, see [picture.ReadImage].
func (f Files) Image(i int) (*picture.Image, error) { return picture.ReadImage(f[i]) }

// Encoded returns the content of the file of sample i.
func (f Files) Encoded(i int, buf []byte) (content []byte, ok bool, err error) {
	content, err = picture.ReadFile(f[i], buf)
	return content, true, err
}

// As is the dataset of the files, decoded in a certain way.
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

// Name is the path of file i.
func (f Files) Name(i int) string { return f[i] }

// ListImages lists the images (by name, see [OpenImageFolder]) in a folder
// and below it, sorted by path; the paths begin with the folder. Symbolic links are
// followed, names that start with a dot left out; left tells of all files that are
// left out. It is an error when there are no images, or a folder cannot be read.
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

// Key is what sample i is called within the dataset.
func (f Files) Key(i int) string { return filepath.ToSlash(f[i]) }

// StampSize is the size of the file of sample i in bytes.
func (f Files) StampSize(i int) uint64 { return fileSize(f[i]) }

// Place is the file of sample i.
func (f Files) Place(i int) (file, within string) { return f[i], "" }
