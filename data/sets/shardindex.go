package sets

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"fasternet/data"
	"fasternet/data/picture"
)

// maxMember is the largest member, in bytes, that is read for a label.
const maxMember = 1 << 20

// shardIndex builds the samples of shards from their members.
type shardIndex struct {
	set     *Shards
	reader  *labelReader
	sets    *labelSets              // if samples have any number of labels; else nil
	samples map[string]*shardSample // of the shard that is being read
	order   []*shardSample

	keys   []string // of all members, in lower case: what follows the first dot of their names
	keyIDs map[string]uint16

	others     []otherImage    // samples whose image has a key such as seg.png
	extra      map[uint16]bool // keys of images that are next to the image of their sample
	labelled   int             // samples with a member or a key that exists for the label
	doubts     data.FaultList  // samples with a text that has no label
	unlabelled []int           // samples without either
	orphans    []orphan        // labels without an image
	orphanOf   map[string]int  // orphans by sample
}

// shardSample is a sample while its members are collected.
type shardSample struct {
	key    string
	first  string       // its first member
	image  member       // the image whose key is just an ending; "" if there is none
	others []otherImage // images with other keys
	label  sampleLabel
	texts  []string // labels, if there may be any number of them
	trust  int      // how surely the member that texts come from is for labels; 0 for no member
	bad    bool     // the label is wrong
	from   string   // a member with a label
	keys   []uint16 // of its members
}

// otherImage is an image whose key is more than an ending.
type otherImage struct {
	member
	key    uint16
	sample int // the sample that takes it for its image
}

// orphan is a label without an image.
type orphan struct {
	shard       int32
	member, key string
}

// manyKeys is the ID that keys of members share when there are too many of them.
const manyKeys = 1 << 15

func newShardIndex(files []string, labels Labels) *shardIndex {
	x := &shardIndex{
		set:      &Shards{files: files},
		reader:   newLabelReader(labels),
		keyIDs:   map[string]uint16{},
		extra:    map[uint16]bool{},
		orphanOf: map[string]int{},
	}
	if labels.Multi {
		x.sets = &labelSets{Labels: labels}
	}
	return x
}

// read indexes a shard.
func (x *shardIndex) read(shard int32, file string) error {
	t, err := openShardTar(file)
	if err != nil {
		return err
	}
	defer t.file.Close()
	x.samples, x.order = map[string]*shardSample{}, nil
	for {
		m, err := t.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		x.member(shard, m)
	}
	if !t.ended() {
		x.set.notes = append(x.set.notes, fmt.Sprintf(
			"%s does not end as a tar file does: it may have been cut short after member %q", file, t.last))
	}
	for _, s := range x.order {
		x.sample(shard, s)
	}
	x.samples, x.order = nil, nil
	return nil
}

// member adds a member to its sample.
func (x *shardIndex) member(shard int32, m shardMember) {
	if hiddenMember(m.name) {
		x.leave(shard, m.name, data.Hidden)
		return
	}
	folder, base := path.Split(m.name)
	stem, key, ok := strings.Cut(base, ".")
	if !ok {
		x.leave(shard, m.name, data.OtherEnding)
		return
	}
	key = strings.ToLower(key)
	s := x.samples[folder+stem]
	if s == nil {
		s = &shardSample{key: folder + stem, first: m.name}
		x.samples[s.key] = s
		x.order = append(x.order, s)
	}
	if err := x.take(s, shard, m, key); err != nil {
		s.bad = true
		x.set.faults.Add("%s: %w", x.name(shard, m.name), err)
	}
}

func (x *shardIndex) take(s *shardSample, shard int32, m shardMember, key string) error {
	id := x.keyID(key)
	if id != manyKeys && slices.Contains(s.keys, id) {
		return fmt.Errorf("sample %q has a member %s twice in this shard; give every sample its own name",
			s.key, key)
	}
	s.keys = append(s.keys, id)
	if !picture.HasImageName("." + key) {
		return x.label(s, m, key)
	}
	if m.size > picture.MaxFile {
		return fmt.Errorf("%d bytes; no image that can be decoded is that large", m.size)
	}
	image := member{shard: shard, offset: m.offset, size: m.size, name: m.name, key: m.key}
	if strings.Contains(key, ".") {
		s.others = append(s.others, otherImage{member: image, key: id})
		return nil
	}
	if s.image.name != "" {
		return secondImage(s.image.name)
	}
	s.image = image
	return nil
}

// secondImage returns the error for an image next to the image of its sample.
func secondImage(first string) error {
	return fmt.Errorf("a second image of the same sample, next to %s; "+
		"a sample consists of the members with the same name up to the first dot", path.Base(first))
}

// keyID returns a number for the key of a member.
func (x *shardIndex) keyID(key string) uint16 {
	id, ok := x.keyIDs[key]
	if !ok {
		if len(x.keys) == manyKeys {
			return manyKeys
		}
		id = uint16(len(x.keys))
		x.keyIDs[key] = id
		x.keys = append(x.keys, key)
	}
	return id
}

func (x *shardIndex) leave(shard int32, name string, why data.Reason) {
	x.set.left = append(x.set.left, data.LeftOut{Path: x.name(shard, name), Reason: why})
}

func (x *shardIndex) name(shard int32, member string) string {
	return x.set.files[shard] + ":" + member
}

// label reads what a member says about the class of its sample.
func (x *shardIndex) label(s *shardSample, m shardMember, key string) error {
	if x.sets != nil {
		return x.labelsOf(s, m, key)
	}
	firm, isText := isLabelMember(key, x.reader.Key)
	isJSON := key == "json" && x.reader.Key != LabelFolder
	if !isText && !isJSON {
		return nil
	}
	if s.from == "" || firm {
		s.from = m.name
	}
	from := "." + key
	if m.size > maxMember {
		return s.label.fail(from, fmt.Errorf("%d bytes; want a label in up to %d", m.size, maxMember), firm)
	}
	content, err := io.ReadAll(m.text)
	if err != nil {
		return err
	}
	text, err := decodeText(content)
	switch {
	case err != nil:
		return s.label.fail(from, err, firm)
	case isJSON:
		return s.label.addJSON(x.reader, from, []byte(text))
	}
	return s.label.add(x.reader, from, text, firm)
}

// isLabelMember reports whether a member is read as a label, and whether it can be nothing else
// (firm). want is the key that the user has named, if any.
func isLabelMember(key, want string) (firm, isText bool) {
	if want != "" {
		named := key == strings.ToLower(want) && key != "json"
		return named, named
	}
	stem := strings.TrimSuffix(key, ".txt")
	switch stem[strings.LastIndexByte(stem, '.')+1:] {
	case "cls":
		return true, true
	case "label", "class", "target":
		return true, !strings.Contains(stem, ".")
	}
	return false, key == "txt"
}

// sample adds a complete sample of a shard.
func (x *shardIndex) sample(shard int32, s *shardSample) {
	labelled, doubt := s.label.found()
	labelled = labelled || s.bad || s.trust > 0
	n := len(x.set.samples)
	image := s.image
	switch {
	case image.name == "" && len(s.others) == 0:
		if labelled && s.from != "" {
			x.orphanOf[s.key] = len(x.orphans)
			x.orphans = append(x.orphans, orphan{shard, s.from, s.key})
		} else if !s.bad {
			x.leave(shard, s.first, data.OtherEnding)
		}
		return
	case image.name == "":
		other := s.others[0]
		if len(s.others) > 1 {
			x.set.faults.Add("%s: %w", x.name(shard, s.others[1].name), secondImage(other.name))
		}
		image, other.sample = other.member, n
		x.others = append(x.others, other)
	default:
		for _, o := range s.others {
			x.extra[o.key] = true
			x.leave(shard, o.name, data.ExtraImage)
		}
	}
	x.set.samples = append(x.set.samples, image)
	if x.sets != nil {
		x.sets.add(s.texts)
	}
	switch {
	case labelled && s.bad:
		x.labelled++
		x.reader.addNone()
	case labelled:
		x.labelled++
		x.reader.add(s.label.class)
	case doubt != nil:
		x.doubts.Add("%s: %w", x.name(shard, image.name), doubt)
		x.reader.addNone()
	default:
		x.unlabelled = append(x.unlabelled, n)
		x.reader.addNone()
	}
}

// finish checks the samples and gives them their labels.
func (x *shardIndex) finish() (*Shards, error) {
	d := x.set
	d.found = x.members()
	if len(d.samples) == 0 {
		return nil, fmt.Errorf("data: %s: no images in %d shard(s); the members are %s",
			d.files[0], len(d.files), d.found)
	}
	x.checkImages()
	unlabelled := x.checkOrphans()
	if x.sets != nil {
		return d, x.finishSets(unlabelled)
	}
	d.classes, d.kind = x.reader.classNames(), x.reader.kind()
	switch key := x.reader.Key; {
	case x.labelled > 0 || len(x.orphans) > 0:
		d.faults.Join(x.doubts)
		d.faults.Join(unlabelled)
		if i, err := x.reader.settle(); err != nil {
			d.faults.Add("%s: %w", d.Name(i), err)
		}
		for i, label := range x.reader.classes {
			d.samples[i].label = label
		}
	case key != "" && key != LabelFolder:
		return nil, fmt.Errorf("data: %s: data.label_key: no sample has a member or a JSON key %q; the members are %s",
			d.files[0], key, d.found)
	case x.doubts.Count() > 0: // texts that describe the images, but are not labels
		d.classes = []string{""}
		d.unlabelled = strings.TrimPrefix(x.doubts.All()[0].Err.Error(), "data: ")
	default:
		d.labelByFolder(x.reader.Classes)
	}
	return d, nil
}

// checkImages finds samples without their own image: if a key is next to the image in other
// samples, such as a mask, it is not an image of a sample.
func (x *shardIndex) checkImages() {
	for _, o := range x.others {
		if x.extra[o.key] {
			x.set.faults.Add("%s: the image that it belongs to is missing: other samples have one next to it",
				x.set.Name(o.sample))
		}
	}
}

// checkOrphans finds labels without an image, and returns the images without a label.
func (x *shardIndex) checkOrphans() (unlabelled data.FaultList) {
	d := x.set
	const apart = "; there is one of that name in %s, but a sample must be in one shard"
	images := map[string]int{}
	for _, i := range x.unlabelled {
		s := d.samples[i]
		where := ""
		if key := sampleKey(s.name); len(x.orphans) > 0 {
			images[key] = i
			if k, ok := x.orphanOf[key]; ok {
				where = fmt.Sprintf(apart, d.files[x.orphans[k].shard])
			}
		}
		unlabelled.Add("%s: an image without a label%s; %s", d.Name(i), where, d.LabelHint())
	}
	for _, o := range x.orphans {
		where := ""
		if i, ok := images[o.key]; ok {
			where = fmt.Sprintf(apart, d.files[d.samples[i].shard])
		}
		d.faults.Add("%s: a label without an image%s", x.name(o.shard, o.member), where)
	}
	return unlabelled
}

// sampleKey returns the name of the sample that a member belongs to.
func sampleKey(name string) string {
	folder, base := path.Split(name)
	stem, _, _ := strings.Cut(base, ".")
	return folder + stem
}

// fewMembers is how many kinds of members a message lists.
const fewMembers = 8

// members lists the kinds of members that the shards have.
func (x *shardIndex) members() string {
	if len(x.keys) == 0 {
		return "none"
	}
	keys := slices.Clone(x.keys[:min(len(x.keys), fewMembers)])
	text := strings.Join(keys, ", ")
	if more := len(x.keys) - len(keys); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
