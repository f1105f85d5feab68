package sets

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"fasternet/data"
	"fasternet/data/picture"
)

// Annotations is a dataset of image files that a text file lists.
type Annotations struct {
	data.Decoder
	root    string
	list    string // the text file
	files   []string
	lines   []int32   // of the text file; 0 if it is JSON
	labels  []int32   // -1 if there are sets
	sets    [][]int32 // labels of each image, any number of them; nil if each image has one
	classes []string
	kind    LabelKind
	faults  data.FaultList
	missing data.FaultList // files that are not there
	notes   []string

	once  sync.Once
	roots []string // set by absoluteRoots

	unlabelled string // why there are no labels, if lines have more than paths
}

// OpenAnnotations reads a list of images. Each line has the path of an image, white space,
// and its class: a number, or a name if the classes have names. A path is relative to root unless
// it is absolute. Names may contain blanks: the longest name at the end of the line
// counts. Blank lines do not count.
//
// The list may also be a table, CSV with commas or semicolons or TSV, quoted or not. Columns
// are found by their names in the header, such as path and label; labels in several columns
// must agree. A table without a header has two columns.
//
// If no line has a label, all images are of one class without a name. It is an error when a
// label is wrong, only some images have one, a file is listed with two labels, or a file does
// not exist. Errors name the line.
//
// With [Labels.Multi] an image has any number of labels: after its path in a plain list, in one
// column of a table with ; or | between them, or as a column of 0 and 1 for each class. A .json
// file has annotations in the form of COCO.
func OpenAnnotations(path, root string, labels Labels) (*Annotations, error) {
	d, err := InspectAnnotations(path, root, labels)
	if err != nil {
		return nil, err
	}
	return d, data.CheckFaults(d, false)
}

// InspectAnnotations is [OpenAnnotations], but does not stop at a line that is wrong. It keeps
// the faults for [data.FaultsOf].
func InspectAnnotations(path, root string, labels Labels) (*Annotations, error) {
	if err := labels.check(); err != nil {
		return nil, err
	}
	return inspectList(path, root, "", labels)
}

// inspectList is InspectAnnotations for a part of a data set; "" if the part is not known.
func inspectList(path, root, part string, labels Labels) (*Annotations, error) {
	d := &Annotations{root: root, list: path, missing: data.FaultList{Images: true}}
	if strings.EqualFold(filepath.Ext(path), ".json") {
		return d, d.readCOCO(labels, part)
	}
	text, err := readText(path)
	if err != nil {
		return nil, err
	}
	if labels.Multi {
		return d, d.readSets(text, labels)
	}
	r := newLabelReader(labels)
	bad, err := d.read(text, r)
	if err != nil {
		return nil, err
	}
	if len(d.files) == 0 {
		return nil, fmt.Errorf("data: %s: no images are listed", path)
	}
	if i, err := r.settle(); err != nil {
		d.faults.Add("%s:%d: %w", path, d.lines[i], err)
	}
	d.labels, d.classes, d.kind = r.classes, r.classNames(), r.kind()
	d.checkFiles() // also changes paths of Windows
	d.checkRepeats(bad)
	return d, nil
}

// read reads the lines of the list. bad says which lines are wrong.
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
			d.faults.Add("%s:%d: %w", d.list, line, err)
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
			d.faults.Add("%s:%d: no label, which other lines have; give every image one or none", d.list, line)
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
		key := d.Key(i)
		k, ok := first[key]
		switch {
		case !ok:
			first[key] = int32(i)
		case d.sets != nil && !slices.Equal(d.sets[k], d.sets[i]):
			d.faults.Add("%s: %s is listed twice, with labels %q here and %q before (%s): "+
				"put all labels of an image into one entry",
				d.place(i), file, data.LabelNames(d, i), data.LabelNames(d, int(k)), d.place(int(k)))
		case d.labels[k] != d.labels[i]:
			d.faults.Add("%s:%d: two labels that disagree: %s is of class %q here and of class %q in line %d",
				d.list, d.lines[i], file, d.className(i), d.className(int(k)), d.lines[k])
		default:
			again++
		}
	}
	if again > 0 {
		d.notes = append(d.notes, fmt.Sprintf("%s: %d of %d lines list a file that an earlier line lists",
			d.list, again, len(d.files)))
	}
}

func (d *Annotations) className(i int) string { return d.classes[d.labels[i]] }

// checkFiles finds files that do not exist.
func (d *Annotations) checkFiles() {
	for _, i := range missingFiles(d.root, d.files) {
		from := ""
		if !filepath.IsAbs(d.files[i]) {
			from = "; paths are relative to data.dir"
		}
		d.missing.Add("%s: there is no file %s%s", d.place(i), d.Name(i), from)
	}
}

// place says where image i is listed.
func (d *Annotations) place(i int) string {
	if d.lines[i] == 0 { // JSON
		return fmt.Sprintf("%s: image %s", d.list, d.files[i])
	}
	return fmt.Sprintf("%s:%d", d.list, d.lines[i])
}

// LabelHint says how to give the images labels.
func (d *Annotations) LabelHint() string {
	if d.unlabelled != "" || d.sets != nil {
		return ""
	}
	return fmt.Sprintf("give every line of %s a label: path, white space, and the number or the name of a class",
		d.list)
}

// WhyUnlabelled says why there are no labels, or "".
func (d *Annotations) WhyUnlabelled() string { return d.unlabelled }

// Faults lists what is wrong with the lines.
func (d *Annotations) Faults() []data.Fault { return append(d.faults.All(), d.missing.All()...) }

// Notes says what is allowed, but may be a mistake.
func (d *Annotations) Notes() []string { return d.notes }

// LabelKind returns how the labels are written.
func (d *Annotations) LabelKind() LabelKind { return d.kind }

// Len returns the number of images.
func (d *Annotations) Len() int { return len(d.files) }

// Classes lists the class names.
func (d *Annotations) Classes() []string { return d.classes }

// LabelSets returns the class indices of each image, if it may have any number of them; else nil.
func (d *Annotations) LabelSets() [][]int32 { return d.sets }

// Label returns the class index of image i, or -1 if there are [Annotations.LabelSets].
func (d *Annotations) Label(i int) int { return int(d.labels[i]) }

// Image decodes image i, see [data.DecodeAs].
func (d *Annotations) Image(i int) (*picture.Image, error) { return d.Decoding().ReadImage(d.Name(i)) }

// Encoded returns the content of the file of sample i.
func (d *Annotations) Encoded(i int, buf []byte) (content []byte, ok bool, err error) {
	content, err = picture.ReadFile(d.Name(i), buf)
	return content, true, err
}

// EncodedRange returns a part of the file of sample i.
func (d *Annotations) EncodedRange(i int, offset, size int64, buf []byte) ([]byte, error) {
	return picture.ReadPart(d.Name(i), offset, size, buf)
}

// Name returns the path of image i.
func (d *Annotations) Name(i int) string { return inFolder(d.root, d.files[i]) }

// inFolder returns the path of a file, relative to root unless it is absolute.
func inFolder(root, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(root, file)
}

// Key returns the name of sample i within the dataset.
func (d *Annotations) Key(i int) string {
	file := d.files[i]
	if filepath.IsAbs(file) {
		file = d.within(file)
	}
	return path.Clean(filepath.ToSlash(file))
}

// within returns an absolute path relative to the root, if it lies there, perhaps by a symbolic
// link; otherwise it returns the path itself.
func (d *Annotations) within(file string) string {
	for _, root := range d.absoluteRoots() {
		if within, err := filepath.Rel(root, file); err == nil && filepath.IsLocal(within) {
			return within
		}
	}
	return file
}

// absoluteRoots returns the absolute forms of the root: as it is named, and without links.
func (d *Annotations) absoluteRoots() []string {
	d.once.Do(func() {
		if root, err := filepath.Abs(d.root); err == nil {
			d.roots = append(d.roots, root)
		}
		if root, err := filepath.EvalSymlinks(d.root); err == nil {
			if root, err = filepath.Abs(root); err == nil {
				d.roots = append(d.roots, root)
			}
		}
	})
	return d.roots
}

// StampSize returns the size of the file of sample i in bytes.
func (d *Annotations) StampSize(i int) uint64 { return fileSize(d.Name(i)) }

// Stamp returns the size of the file of sample i in bytes, and when it was last changed.
func (d *Annotations) Stamp(i int) (size uint64, changed int64) { return fileStamp(d.Name(i)) }

// Place returns the file of sample i.
func (d *Annotations) Place(i int) (file, within string) { return d.Name(i), "" }
