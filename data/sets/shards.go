package sets

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"fasternet/data"
	"fasternet/data/picture"
)

// Shards is a dataset in tar files. It indexes them once, and then reads every sample where it
// is, in any order.
type Shards struct {
	data.Decoder
	files   []string
	samples []member
	classes []string
	kind    LabelKind
	left    []data.LeftOut
	faults  data.FaultList
	notes   []string
	found   string    // the kinds of members, for messages
	sets    [][]int32 // labels of each sample, any number of them; nil if each sample has one

	unlabelled string // what there is in place of labels, if anything
}

// member is the image of a sample in a shard.
type member struct {
	shard        int32
	label        int32
	offset, size int64
	name         string
	key          string // its key in the data set that the shard was made from; may be ""
}

// OpenShards indexes tar files in WebDataset form. Members of a shard with the same path up to
// the first dot of the base name are one sample, wherever they are in the shard. The part after
// the dot, in any case, says what a member is:
//
//   - an image, if it is the ending of an image file (png). If it only ends in one
//     (seg.png), it is left out next to such an image, and is the image otherwise.
//   - a label, if it is or ends in cls, or is label, class, target, one of these with .txt, or
//     txt: a text with the number of a class or its name
//   - json: an object with the label under label, class, class_id, cls, target or the
//     like. A txt or json without a label does not count if there is another label.
//
// Labels of one sample must agree. If no sample has a label, the classes are the folders of the
// members, by their paths in the tar, in code-point order.
//
// With [Labels.Multi] a sample has any number of labels: a text with ; or | or line ends between
// them, or a list in JSON, which may be empty.
//
// It is an error when an image has no label, or a label no image; errors name the shard and the
// member. Names in a tar are never used to write a file; names that are absolute or climb with
// ".." are refused all the same.
func OpenShards(files []string, labels Labels) (*Shards, error) {
	d, err := InspectShards(files, labels)
	if err != nil {
		return nil, err
	}
	return d, data.CheckFaults(d, false)
}

// LabelFolder as the key of [Labels] says that the folders in shards are the classes, whatever
// the members say.
const LabelFolder = "folder"

// InspectShards is [OpenShards], but does not stop at a sample that is wrong. It keeps the
// faults for [data.FaultsOf].
func InspectShards(files []string, labels Labels) (*Shards, error) {
	if err := labels.check(); err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("data: no shards")
	}
	x := newShardIndex(files, labels)
	for k, f := range files {
		if err := x.read(int32(k), f); err != nil {
			return nil, fmt.Errorf("data: %s: %w", f, err)
		}
	}
	return x.finish()
}

// labelByFolder makes the folders in the tars the classes.
func (d *Shards) labelByFolder(classes []string) {
	d.classes = classes
	if classes == nil {
		seen := map[string]bool{}
		for _, s := range d.samples {
			if f := folderOf(s.name); !seen[f] {
				seen[f] = true
				d.classes = append(d.classes, f)
			}
		}
		slices.Sort(d.classes)
		if _, wrong := wrongName(d.classes); wrong != "" {
			d.faults.Add("%s: %s, by the folders in the shards", d.files[0], wrong)
		}
		d.notes = append(d.notes, nameNotes(d.classes)...)
	}
	index := classIndex(d.classes)
	for i, s := range d.samples {
		label, ok := index[sameName(folderOf(s.name))]
		if !ok && !data.Unlabelled(d) {
			d.faults.Add("%s: no label, and its folder %q is not one of the %d classes; %s",
				d.Name(i), folderOf(s.name), len(d.classes), d.LabelHint())
		}
		d.samples[i].label = int32(label)
	}
	if len(d.classes) > 1 {
		d.notes = append(d.notes, fmt.Sprintf(
			"the shards have no labels (members: %s), so that the %d folders in them are the classes: %s",
			d.found, len(d.classes), ListNames(d.classes)))
	}
}

func folderOf(name string) string { return strings.TrimSuffix(path.Dir(name), ".") }

// LabelHint says what counts as a label.
func (d *Shards) LabelHint() string {
	if d.sets != nil {
		return fmt.Sprintf("the members are %s; labels are a member cls, labels, classes, targets, tags, txt "+
			"(or one of these with .txt), or json with a list under such a key", d.found)
	}
	return fmt.Sprintf("the members are %s; "+
		"a label is a member cls, label, class, target (or one of these with .txt), txt, "+
		"json with a key label, class or the like, or a folder in the tar for each class", d.found)
}

// WhyUnlabelled says why there are no labels, or "".
func (d *Shards) WhyUnlabelled() string { return d.unlabelled }

// LeftOut lists the members that are not part of a sample.
func (d *Shards) LeftOut() []data.LeftOut { return d.left }

// Faults lists what is wrong with the samples.
func (d *Shards) Faults() []data.Fault { return d.faults.All() }

// LabelSets returns the class indices of each sample, if it may have any number of them; else nil.
func (d *Shards) LabelSets() [][]int32 { return d.sets }

// Notes says what is allowed, but may be a mistake.
func (d *Shards) Notes() []string { return d.notes }

// LabelKind returns how the labels are written.
func (d *Shards) LabelKind() LabelKind { return d.kind }

// Len returns the number of samples.
func (d *Shards) Len() int { return len(d.samples) }

// Classes lists the class names.
func (d *Shards) Classes() []string { return d.classes }

// Label returns the class index of sample i.
func (d *Shards) Label(i int) int { return int(d.samples[i].label) }

// Image decodes sample i, see [data.DecodeAs].
func (d *Shards) Image(i int) (*picture.Image, error) {
	content, _, err := d.Encoded(i, nil)
	if err != nil {
		return nil, err
	}
	return d.Decoding().DecodeNamed(content, d.Name(i))
}

// Encoded returns the content of the member of sample i.
func (d *Shards) Encoded(i int, buf []byte) (content []byte, ok bool, err error) {
	content, err = d.EncodedRange(i, 0, d.samples[i].size, buf)
	return content, true, err
}

// EncodedRange returns a part of the member of sample i.
func (d *Shards) EncodedRange(i int, offset, size int64, buf []byte) ([]byte, error) {
	s := d.samples[i]
	content, err := picture.ReadPart(d.files[s.shard], s.offset+offset, size, buf)
	if err != nil {
		return nil, fmt.Errorf("%w, at %s", err, d.Name(i))
	}
	return content, nil
}

// Name returns the shard and the member of sample i.
func (d *Shards) Name(i int) string {
	s := d.samples[i]
	return d.files[s.shard] + ":" + s.name
}

// Key returns the name of sample i within the dataset.
func (d *Shards) Key(i int) string {
	if s := d.samples[i]; s.key != "" {
		return s.key
	}
	return d.samples[i].name
}

// StampSize returns the size of the file of sample i in bytes.
func (d *Shards) StampSize(i int) uint64 { return uint64(d.samples[i].size) }

// Place returns the file of sample i, and where it is in the file.
func (d *Shards) Place(i int) (file, within string) {
	s := d.samples[i]
	return d.files[s.shard], s.name
}
