package data

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// maxClasses bounds what a label in a file may claim.
const maxClasses = 1 << 20

// Annotations is a dataset of image files that a text file lists.
type Annotations struct {
	decoder
	root    string
	files   []string
	labels  []int32
	classes []string
}

// OpenAnnotations reads a list of images with a line for each: its path, relative
// to root unless it is absolute, white space, and the index of its class or, if
// classes has names, the name of one. Without labels in any line all images are of
// one class without a name. With classes nil they are called by their numbers, as
// many as the largest label says. Blank lines do not count. Errors name the line;
// whether the files are there is not looked at.
func OpenAnnotations(path, root string, classes []string) (*Annotations, error) {
	text, err := readText(path)
	if err != nil {
		return nil, err
	}
	d := &Annotations{root: root, classes: classes}
	byName := indexOf(classes)
	most, unlabelled := -1, 0
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		file, label, err := annotation(line, byName, len(classes))
		if err != nil {
			return nil, fmt.Errorf("data: %s:%d: %w", path, i+1, err)
		}
		if label < 0 {
			label = 0
			unlabelled++
		} else {
			most = max(most, label)
		}
		if unlabelled > 0 && most >= 0 {
			return nil, fmt.Errorf("data: %s:%d: some lines have a label and some do not; give every image one or none", path, i+1)
		}
		d.files = append(d.files, filepath.FromSlash(file))
		d.labels = append(d.labels, int32(label))
	}
	if len(d.files) == 0 {
		return nil, fmt.Errorf("data: %s: no images are listed", path)
	}
	if d.classes == nil {
		d.classes = []string{""}
		if most >= 0 {
			d.classes = numbered(most + 1)
		}
	}
	return d, nil
}

// annotation takes a line apart. The label is -1 if there is none.
func annotation(line string, byName map[string]int, classes int) (file string, label int, err error) {
	at := strings.LastIndexAny(line, " \t")
	if hasImageName(line) || at < 0 {
		if !hasImageName(line) {
			return "", 0, fmt.Errorf("want the path of an image and a label, got %q", line)
		}
		return line, -1, nil
	}
	file, last := strings.TrimSpace(line[:at]), line[at+1:]
	if label, ok := byName[last]; ok {
		return file, label, nil
	}
	label, err = strconv.Atoi(last)
	switch {
	case err != nil && classes > 0:
		return "", 0, fmt.Errorf("label %q is neither a number nor one of the %d class names", last, classes)
	case err != nil:
		return "", 0, fmt.Errorf("label %q is not a number; labels by name need data.classes", last)
	case label < 0 || label >= maxClasses:
		return "", 0, fmt.Errorf("label %d is not from 0 to %d", label, maxClasses-1)
	case classes > 0 && label >= classes:
		return "", 0, fmt.Errorf("label %d is not below the number of classes, %d", label, classes)
	}
	return file, label, nil
}

// Len is the number of images.
func (d *Annotations) Len() int { return len(d.files) }

// Classes lists the class names.
func (d *Annotations) Classes() []string { return d.classes }

// Label is the class index of image i.
func (d *Annotations) Label(i int) int { return int(d.labels[i]) }

// Image decodes image i, see [DecodeAs].
func (d *Annotations) Image(i int) (*Image, error) { return d.readImage(d.Name(i)) }

func (d *Annotations) encoded(i int, buf []byte) ([]byte, error) { return readFile(d.Name(i), buf) }

// Name is the path of image i.
func (d *Annotations) Name(i int) string {
	if filepath.IsAbs(d.files[i]) {
		return d.files[i]
	}
	return filepath.Join(d.root, d.files[i])
}
