package sets

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/data"
)

// cocoFile is what is used of annotations in the form of COCO: a JSON object with images,
// categories, and annotations. Each annotation says that an image shows a category.
type cocoFile struct {
	files      []string // of the images, in their order
	images     map[int64]int
	categories map[int64]string
	shows      [][]int64 // categories of each image
}

// readCOCO reads a file. It ignores boxes, masks and whatever else it has.
func readCOCO(path string) (*cocoFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	c := &cocoFile{images: map[int64]int{}, categories: map[int64]string{}}
	if err := c.read(json.NewDecoder(f)); err != nil {
		return nil, fmt.Errorf("data: %s: want annotations in the form of COCO: %w", path, err)
	}
	return c, nil
}

func (c *cocoFile) read(d *json.Decoder) error {
	type image struct {
		ID   *int64 `json:"id"`
		File string `json:"file_name"`
	}
	type category struct {
		ID   *int64 `json:"id"`
		Name string `json:"name"`
	}
	type annotation struct {
		Image    *int64 `json:"image_id"`
		Category *int64 `json:"category_id"`
	}
	var annotations []annotation
	seen := map[string]bool{}
	if err := enter(d, '{', "an object"); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return ended(err)
		}
		name := fmt.Sprint(key)
		seen[name] = true
		switch name {
		case "images":
			err = eachElement(d, name, func(v image) error {
				if v.ID == nil || v.File == "" {
					return errors.New("want an id and a file_name")
				}
				if _, twice := c.images[*v.ID]; twice {
					return fmt.Errorf("id %d occurs twice", *v.ID)
				}
				c.images[*v.ID] = len(c.files)
				c.files = append(c.files, filepath.FromSlash(v.File))
				return nil
			})
		case "categories":
			err = eachElement(d, name, func(v category) error {
				if v.ID == nil || v.Name == "" {
					return errors.New("want an id and a name")
				}
				if _, twice := c.categories[*v.ID]; twice {
					return fmt.Errorf("id %d occurs twice", *v.ID)
				}
				c.categories[*v.ID] = v.Name
				return nil
			})
		case "annotations":
			err = eachElement(d, name, func(v annotation) error {
				if v.Image == nil || v.Category == nil {
					return errors.New("want an image_id and a category_id")
				}
				annotations = append(annotations, v)
				return nil
			})
		default:
			var skip json.RawMessage
			err = d.Decode(&skip)
		}
		if err != nil {
			return ended(err)
		}
	}
	for _, name := range []string{"images", "categories", "annotations"} {
		if !seen[name] {
			return fmt.Errorf("there is no list %q", name)
		}
	}
	c.shows = make([][]int64, len(c.files))
	for _, a := range annotations {
		i, ok := c.images[*a.Image]
		if !ok {
			return fmt.Errorf("an annotation has image_id %d, which is not among the images", *a.Image)
		}
		if _, ok := c.categories[*a.Category]; !ok {
			return fmt.Errorf("an annotation has category_id %d, which is not among the categories", *a.Category)
		}
		if !slices.Contains(c.shows[i], *a.Category) {
			c.shows[i] = append(c.shows[i], *a.Category)
		}
	}
	return nil
}

func enter(d *json.Decoder, want json.Delim, what string) error {
	t, err := d.Token()
	if err != nil {
		return ended(err)
	}
	if t != want {
		return fmt.Errorf("want %s, got %.40q", what, fmt.Sprint(t))
	}
	return nil
}

func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the file ends in the middle")
	}
	return err
}

// eachElement reads a list, one element after the other.
func eachElement[T any](d *json.Decoder, key string, take func(T) error) error {
	if err := enter(d, '[', "a list "+key); err != nil {
		return err
	}
	for n := 1; d.More(); n++ {
		var v T
		err := d.Decode(&v)
		if err == nil {
			err = take(v)
		}
		if err != nil {
			return fmt.Errorf("%s, element %d: %w", key, n, ended(err))
		}
	}
	_, err := d.Token()
	return ended(err)
}

// names returns the categories in the order of their ids.
func (c *cocoFile) names() (names []string) {
	for _, id := range slices.Sorted(maps.Keys(c.categories)) {
		names = append(names, c.categories[id])
	}
	return names
}

// folder finds the images: in the folder of the data set, or in a folder under it with a usual
// name for COCO, from the part or the file of annotations.
func (c *cocoFile) folder(root, list, part string) string {
	if len(c.files) == 0 {
		return root
	}
	stem := strings.TrimSuffix(filepath.Base(list), filepath.Ext(list))
	if _, after, ok := strings.Cut(stem, "_"); ok { // instances_train2017
		stem = after
	}
	usual := []string{"", "images", stem, part, filepath.Join("images", stem), filepath.Join("images", part)}
	for _, within := range usual {
		if isFile(inFolder(filepath.Join(root, within), c.files[0])) {
			return filepath.Join(root, within)
		}
	}
	return root
}

// readCOCO reads annotations in the form of COCO. If each image has one label, all annotations
// of an image must have the same category.
func (d *Annotations) readCOCO(labels Labels, part string) error {
	c, err := readCOCO(d.list)
	if err != nil {
		return err
	}
	if labels.Key != "" {
		return fmt.Errorf("data: %s: data.label_key: annotations in the form of COCO have no column %q; leave it out",
			d.list, labels.Key)
	}
	d.root = c.folder(d.root, d.list, part)
	given := labels
	labels.Kind = LabelName
	if labels.Classes == nil {
		labels.Classes = c.names()
		if _, wrong := wrongName(labels.Classes); wrong != "" {
			return fmt.Errorf("data: %s: categories: %s", d.list, wrong)
		}
		given.Classes = labels.Classes
	}
	s := &labelSets{Labels: labels}
	d.files, d.lines = c.files, make([]int32, len(c.files))
	bad := make([]bool, len(c.files))
	for _, shows := range c.shows {
		var texts []string
		for _, id := range shows {
			texts = append(texts, c.categories[id])
		}
		s.add(texts)
	}
	if err := d.settleSets(s, given, bad); err != nil || labels.Multi {
		return err
	}
	for i, set := range d.sets {
		d.labels[i] = 0
		switch {
		case bad[i]:
		case len(set) == 1:
			d.labels[i] = set[0]
		case len(set) == 0:
			d.faults.Add("%s: no annotation, and so no label; images without labels need the task multilabel",
				d.place(i))
		default:
			d.faults.Add("%s: annotations of %d categories; images with several labels need the task multilabel",
				d.place(i), len(set))
		}
	}
	d.sets = nil
	return nil
}

var _ data.MultiLabelled = (*Annotations)(nil)
