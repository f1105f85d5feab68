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

// Shards is a dataset in tar files. They are indexed once; then every sample is
// read where it is, so that their order can be any.
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
	sets    [][]int32 // labels of each sample, of any number; nil if each has one

	unlabelled string // what there is instead of a label, if there is something
}

// member is the image of a sample in a shard.
type member struct {
	shard        int32
	label        int32
	offset, size int64
	name         string
	key          string // that it had in the data set that the shard was made of; may be ""
}

// OpenShards indexes tar files in WebDataset form: members of a shard whose path is the
// same up to the first dot of the base name are one sample, wherever they lie in the
// shard. What follows the dot says what a member is, in any case:
//
//   - an image, if it is the ending of an image file (png). If it only ends in one
//     (seg.png), it is left out next to such an image, and taken where it is alone.
//   - a label, if it is or ends in cls or is label, class, target, the same with .txt, or
//     txt: a text with the number of a class or its name
//   - json: an object with the label under label, class, class_id, cls, target or the
//     like. A txt or json that has no label in it does not count if there is another.
//
// Labels of one sample must agree. Without a label in any sample, the folder that a
// member lies in is its class, by its path in the tar, in code-point order.
//
// With [Labels.Multi] a sample has any number of labels: a text with ; or | or line ends between
// them, or a list in JSON, which may be empty.
//
// It is an error when an image has no label, or a label no image; errors name the shard
// and the member. Nothing is ever written under the names in a tar; those that are
// absolute or climb with ".." are refused all the same.
func OpenShards(files []string, labels Labels) (*Shards, error) {
	d, err := InspectShards(files, labels)
	if err != nil {
		return nil, err
	}
	return d, data.CheckFaults(d, false)
}

// LabelFolder as the key of [Labels] says that the folders in shards are the classes,
// whatever their members say.
const LabelFolder = "folder"

// InspectShards is [OpenShards] that does not stop at a sample without a label and the
// like, but remembers it: see [data.FaultsOf].
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

// labelByFolder takes the folders in the tars for the classes.
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
			d.faults.Add("%s: no label, and its folder %q is not one of the %d classes; %s", d.Name(i), folderOf(s.name), len(d.classes), d.LabelHint())
		}
		d.samples[i].label = int32(label)
	}
	if len(d.classes) > 1 {
		d.notes = append(d.notes, fmt.Sprintf("the shards have no labels (members: %s), so that the %d folders in them are the classes: %s", d.found, len(d.classes), ListNames(d.classes)))
	}
}

func folderOf(name string) string { return strings.TrimSuffix(path.Dir(name), ".") }

// LabelHint says what counts as a label.
func (d *Shards) LabelHint() string {
	if d.sets != nil {
		return fmt.Sprintf("the members are %s; labels are a member cls, labels, classes, targets, tags, txt (or one of them with .txt), or json with a list under such a key", d.found)
	}
	return fmt.Sprintf("the members are %s; a label is a member cls, label, class, target (or one of them with .txt), txt, "+
		"json with a key label, class or the like, or a folder in the tar for each class", d.found)
}

// WhyUnlabelled says why there are no labels, or "".
func (d *Shards) WhyUnlabelled() string { return d.unlabelled }

// LeftOut lists the members that are no part of a sample.
func (d *Shards) LeftOut() []data.LeftOut { return d.left }

// Faults lists what is wrong with the samples.
func (d *Shards) Faults() []data.Fault { return d.faults.All() }

// LabelSets has the class indices of each sample, if there are any number of them; else it is nil.
func (d *Shards) LabelSets() [][]int32 { return d.sets }

// Notes says what is right, but may not be meant.
func (d *Shards) Notes() []string { return d.notes }

// LabelKind is how the labels are written.
func (d *Shards) LabelKind() LabelKind { return d.kind }

// Len is the number of samples.
func (d *Shards) Len() int { return len(d.samples) }

// Classes lists the class names.
func (d *Shards) Classes() []string { return d.classes }

// Label is the class index of sample i.
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
	s := d.samples[i]
	content, err = picture.ReadPart(d.files[s.shard], s.offset, s.size, buf)
	if err != nil {
		return nil, true, fmt.Errorf("%w, at %s", err, d.Name(i))
	}
	return content, true, nil
}

// Name is the shard and the member of sample i.
func (d *Shards) Name(i int) string {
	s := d.samples[i]
	return d.files[s.shard] + ":" + s.name
}

// Key is what sample i is called within the dataset.
func (d *Shards) Key(i int) string {
	if s := d.samples[i]; s.key != "" {
		return s.key
	}
	return d.samples[i].name
}

// StampSize is the size of the file of sample i in bytes.
func (d *Shards) StampSize(i int) uint64 { return uint64(d.samples[i].size) }

// Place is the file of sample i, and where it is in there.
func (d *Shards) Place(i int) (file, within string) {
	s := d.samples[i]
	return d.files[s.shard], s.name
}
