package data

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
)

// Annotations is a dataset of image files that a text file lists.
type Annotations struct {
	decoder
	root    string
	list    string // the text file
	files   []string
	lines   []int32 // of the text file
	labels  []int32
	classes []string
	kind    LabelKind
	faults  faults
	missing faults // files that are not there
	notes   []string

	once  sync.Once
	roots []string // absoluteRoots

	unlabelled string // why there are no labels, if the list says more than paths
}

// OpenAnnotations reads a list of images with a line for each: its path, relative to
// root unless it is absolute, white space, and the number of its class or, if there are
// names for the classes, the name of one. Names may have blanks in them: the longest name
// at the end of the line counts. Blank lines do not count.
//
// The list may also be a table, CSV with commas or semicolons or TSV, quoted or not. With
// a header its columns are found by their names, such as path and label; labels in
// several columns must agree. Without one it has two columns.
//
// Without labels in any line all images are of one class without a name. It is an error
// when a label is wrong, only some images have one, a file is listed with two, or a file
// is not there; errors name the line.
func OpenAnnotations(path, root string, labels Labels) (*Annotations, error) {
	d, err := InspectAnnotations(path, root, labels)
	if err != nil {
		return nil, err
	}
	return d, CheckFaults(d, false)
}

// InspectAnnotations is [OpenAnnotations] that does not stop at what is wrong with a
// line, but remembers it: see [FaultsOf].
func InspectAnnotations(path, root string, labels Labels) (*Annotations, error) {
	text, err := readText(path)
	if err != nil {
		return nil, err
	}
	d := &Annotations{root: root, list: path, missing: faults{images: true}}
	r := newLabelReader(labels)
	bad, err := d.read(text, r)
	if err != nil {
		return nil, err
	}
	if len(d.files) == 0 {
		return nil, fmt.Errorf("data: %s: no images are listed", path)
	}
	if i, err := r.settle(); err != nil {
		d.faults.add("%s:%d: %w", path, d.lines[i], err)
	}
	d.labels, d.classes, d.kind = r.classes, r.classNames(), r.kind()
	d.checkFiles() // paths of Windows become those that are here
	d.checkRepeats(bad)
	return d, nil
}

// read takes the lines of the list. bad says which of them are at fault.
func (d *Annotations) read(text string, r *labelReader) (bad []bool, err error) {
	var unlabelled []int32 // lines
	found, err := readList(d.list, text, r, func(line int, file string, label sampleLabel, err error) {
		has, doubt := label.found()
		if err == nil {
			err = doubt
		}
		if strings.ContainsRune(file, '\n') {
			file, err = "", errors.New("the path of the image goes over several lines; is a quote missing?")
		}
		bad = append(bad, err != nil)
		switch {
		case err != nil:
			d.faults.add("%s:%d: %w", d.list, line, err)
			r.addNone()
		case has:
			r.add(label.class)
		default:
			unlabelled = append(unlabelled, int32(line))
			r.addNone()
		}
		d.files = append(d.files, filepath.FromSlash(file))
		d.lines = append(d.lines, int32(line))
	})
	if err != nil {
		return nil, err
	}
	d.unlabelled = found.unlabelled
	if found.note != "" {
		d.notes = append(d.notes, found.note)
	}
	if len(unlabelled) < len(d.files) {
		for _, line := range unlabelled {
			d.faults.add("%s:%d: no label, which other lines have; give every image one or none", d.list, line)
		}
	}
	return bad, nil
}

// checkRepeats finds files that are listed more than once.
func (d *Annotations) checkRepeats(bad []bool) {
	first, again := make(map[string]int32, len(d.files)), 0
	for i, file := range d.files {
		if bad[i] {
			continue
		}
		key := d.key(i)
		k, ok := first[key]
		switch {
		case !ok:
			first[key] = int32(i)
		case d.labels[k] != d.labels[i]:
			d.faults.add("%s:%d: two labels that disagree: %s is of class %q here and of class %q in line %d",
				d.list, d.lines[i], file, d.className(i), d.className(int(k)), d.lines[k])
		default:
			again++
		}
	}
	if again > 0 {
		d.notes = append(d.notes, fmt.Sprintf("%s: %d of %d lines list a file that an earlier line lists", d.list, again, len(d.files)))
	}
}

func (d *Annotations) className(i int) string { return d.classes[d.labels[i]] }

// checkFiles finds files that are not there.
func (d *Annotations) checkFiles() {
	for _, i := range missingFiles(d.root, d.files) {
		from := ""
		if !filepath.IsAbs(d.files[i]) {
			from = "; paths are relative to data.dir"
		}
		d.missing.add("%s:%d: there is no file %s%s", d.list, d.lines[i], d.Name(i), from)
	}
}

func (d *Annotations) labelHint() string {
	if d.unlabelled != "" {
		return ""
	}
	return fmt.Sprintf("give every line of %s a label: path, white space, and the number or the name of a class", d.list)
}

func (d *Annotations) whyUnlabelled() string { return d.unlabelled }

// Faults lists what is wrong with the lines.
func (d *Annotations) Faults() []Fault { return append(d.faults.list(), d.missing.list()...) }

// Notes says what is right, but may not be meant.
func (d *Annotations) Notes() []string { return d.notes }

// LabelKind is how the labels are written.
func (d *Annotations) LabelKind() LabelKind { return d.kind }

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
func (d *Annotations) Name(i int) string { return inFolder(d.root, d.files[i]) }

// inFolder is the path of a file, relative to root unless it is absolute.
func inFolder(root, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(root, file)
}
