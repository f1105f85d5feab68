package data

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxMember bounds the text members of a shard (cls, json) that are read.
const maxMember = 1 << 20

// Shards is a dataset in tar files. They are indexed once; then every sample is
// read where it is, so that their order can be any.
type Shards struct {
	decoder
	files   []string
	samples []member
	classes []string
}

// member is the image of a sample in a shard.
type member struct {
	shard        int32
	label        int32
	offset, size int64
	name         string
	key          string // that it had in the data set that the shard was made of; may be ""
}

// OpenShards indexes tar files in WebDataset form: neighbouring members whose path
// is the same up to the first dot of the base name are one sample; what follows the
// dot is jpg, jpeg, png, webp, bmp, tif or tiff for its image, and cls for a text
// with its class index, or json for an object with a number "label" or "cls".
// Without labels in any sample, the folder that a member lies in is its class, by
// its path in the tar, in code-point order.
//
// With classes nil they are called by their numbers, or by the folders. Errors name
// the shard and the member. Nothing is ever written under the names in a tar; those
// that are absolute or climb with ".." are refused all the same.
func OpenShards(files, classes []string) (*Shards, error) {
	if len(files) == 0 {
		return nil, errors.New("data: no shards")
	}
	d := &Shards{files: files, classes: classes}
	for k, f := range files {
		if err := d.index(int32(k), f); err != nil {
			return nil, fmt.Errorf("data: %s: %w", f, err)
		}
	}
	if len(d.samples) == 0 {
		return nil, fmt.Errorf("data: %s: no images in %d shard(s)", files[0], len(files))
	}
	return d, d.label()
}

// group is the sample that is being put together while a shard is read.
type group struct {
	key   string
	image member
	found bool
	label int32
}

// index reads the headers of a shard.
func (d *Shards) index(shard int32, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	t := tar.NewReader(f) // it reads whole blocks and seeks, so the offset of f is that of the data
	g := group{label: -1}
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			d.finish(&g)
			return nil
		}
		if err != nil {
			return shardError(err, g.key)
		}
		if h.Typeflag != tar.TypeReg {
			if h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeXGlobalHeader {
				continue
			}
			return fmt.Errorf("member %q is a link or special; want regular files", h.Name)
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if h.Size > info.Size()-at {
			return fmt.Errorf("member %q has %d bytes, but only %d follow: the shard is truncated", h.Name, h.Size, info.Size()-at)
		}
		if sparse(h) {
			return fmt.Errorf("member %q is sparse; pack the shard without --sparse", h.Name)
		}
		if err := d.member(&g, h, member{shard: shard, offset: at, size: h.Size}, t); err != nil {
			return fmt.Errorf("member %q: %w", h.Name, err)
		}
	}
}

func shardError(err error, after string) error {
	where := "at its start"
	if after != "" {
		where = fmt.Sprintf("behind sample %q", after)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the shard is truncated %s", where)
	}
	return fmt.Errorf("not a tar file, or a damaged one, %s: %w", where, err)
}

func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse") {
			return true
		}
	}
	return false
}

// member takes a member of a tar into its sample.
func (d *Shards) member(g *group, h *tar.Header, at member, r io.Reader) error {
	name := strings.TrimPrefix(h.Name, "./")
	if path.IsAbs(name) || slices.Contains(strings.Split(name, "/"), "..") || strings.ContainsRune(name, 0) {
		return errors.New("a name that is absolute or climbs with .. is not safe")
	}
	folder, base := path.Split(name)
	stem, key, _ := strings.Cut(base, ".")
	if hidden(base) {
		return nil
	}
	if folder+stem != g.key {
		d.finish(g)
		*g = group{key: folder + stem, label: -1}
	}
	switch key = strings.ToLower(key); {
	case key == "cls" || key == "json":
		if h.Size > maxMember {
			return fmt.Errorf("%d bytes; want a label in up to %d", h.Size, maxMember)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		label, err := labelOf(key, text)
		if err != nil {
			return err
		}
		if label >= 0 {
			g.label = label
		}
	case hasImageName(base):
		if h.Size > maxFile {
			return fmt.Errorf("%d bytes; no image that is decoded is that large", h.Size)
		}
		if g.found {
			return errors.New("a second image in the same sample; give samples names that differ before the first dot")
		}
		at.name = name
		if key, ok := strings.CutPrefix(h.PAXRecords[paxComment], nameComment); ok {
			at.key = key
		}
		g.image, g.found = at, true
	}
	return nil
}

// labelOf reads the label in a cls or json member; -1 if a json has none.
func labelOf(key string, text []byte) (int32, error) {
	s := strings.TrimSpace(string(text))
	if key == "json" {
		var v struct{ Label, Cls *json.Number }
		if err := json.Unmarshal(text, &v); err != nil {
			return 0, fmt.Errorf("want a JSON object with a number label: %w", err)
		}
		switch {
		case v.Cls != nil:
			s = v.Cls.String()
		case v.Label != nil:
			s = v.Label.String()
		default:
			return -1, nil
		}
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n >= maxClasses {
		return 0, fmt.Errorf("want a class index from 0 to %d, got %.40q", maxClasses-1, s)
	}
	return int32(n), nil
}

// finish appends the sample of a group, if it has an image.
func (d *Shards) finish(g *group) {
	if g.found {
		g.image.label = g.label
		d.samples = append(d.samples, g.image)
	}
}

// label checks the labels, or takes the folders for them.
func (d *Shards) label() error {
	most, without := int32(-1), -1
	for i, s := range d.samples {
		if most = max(most, s.label); s.label < 0 && without < 0 {
			without = i
		}
	}
	switch {
	case most < 0:
		return d.labelByFolder()
	case without >= 0:
		return fmt.Errorf("data: %s: no label (cls or json), which others have", d.Name(without))
	case d.classes == nil:
		d.classes = numbered(int(most) + 1)
	case int(most) >= len(d.classes):
		for i, s := range d.samples {
			if s.label == most {
				return fmt.Errorf("data: %s: label %d is not below the number of classes, %d", d.Name(i), most, len(d.classes))
			}
		}
	}
	return nil
}

func (d *Shards) labelByFolder() error {
	given := d.classes != nil
	if !given {
		seen := map[string]bool{}
		for _, s := range d.samples {
			if f := folderOf(s.name); !seen[f] {
				seen[f] = true
				d.classes = append(d.classes, f)
			}
		}
		slices.Sort(d.classes)
	}
	index := indexOf(d.classes)
	kept := d.samples[:0]
	for i, s := range d.samples {
		label, ok := index[folderOf(s.name)]
		if !ok && len(d.classes) == 1 && d.classes[0] == "" {
			label, ok = 0, true
		}
		if !ok {
			return fmt.Errorf("data: %s: no label (cls or json), and its folder %q is not one of the %d classes",
				d.Name(i), folderOf(s.name), len(d.classes))
		}
		s.label = int32(label)
		kept = append(kept, s)
	}
	d.samples = kept
	return nil
}

func folderOf(name string) string { return strings.TrimSuffix(path.Dir(name), ".") }

// Len is the number of samples.
func (d *Shards) Len() int { return len(d.samples) }

// Classes lists the class names.
func (d *Shards) Classes() []string { return d.classes }

// Label is the class index of sample i.
func (d *Shards) Label(i int) int { return int(d.samples[i].label) }

// Image decodes sample i, see [DecodeAs].
func (d *Shards) Image(i int) (*Image, error) {
	content, err := d.encoded(i, nil)
	if err != nil {
		return nil, err
	}
	return d.how.named(content, d.Name(i))
}

func (d *Shards) encoded(i int, buf []byte) ([]byte, error) {
	s := d.samples[i]
	content, err := readPart(d.files[s.shard], s.offset, s.size, buf)
	if err != nil {
		return nil, fmt.Errorf("%w, at %s", err, d.Name(i))
	}
	return content, nil
}

// Name is the shard and the member of sample i.
func (d *Shards) Name(i int) string {
	s := d.samples[i]
	return d.files[s.shard] + ":" + s.name
}
