package report

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/jpeg"
	"image/png"
	"maps"
	"path"
	"path/filepath"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/eval/viz"
	"fasternet/internal/disk"
)

// Picture is an image within the page.
type Picture struct {
	Source        template.URL
	Width, Height int
	Alt           string
	Title         string // a caption, and a second line of it
	Note          string
	File          string // where it comes from, as a third line
}

// lossless is the largest side of an image that is kept to the bit.
const lossless = 96

// inline encodes an image as a data: address: small ones and drawings as PNG, photos as
// JPEG.
func inline(m image.Image, photo bool) (template.URL, error) {
	var b bytes.Buffer
	kind, err := "png", error(nil)
	if size := m.Bounds().Size(); photo && max(size.X, size.Y) > lossless {
		kind, err = "jpeg", jpeg.Encode(&b, m, &jpeg.Options{Quality: 85})
	} else {
		err = png.Encode(&b, m)
	}
	return address(kind, b.Bytes()), err
}

func address(kind string, content []byte) template.URL {
	text := base64.StdEncoding.EncodeToString(content)
	return template.URL("data:image/" + kind + ";base64," + text) //nolint:gosec // made here
}

// album shows images of a validation set as the model sees them. It opens the set when the
// first image is asked for, and keeps the pictures until forget drops them.
type album struct {
	dataset data.Dataset
	err     error
	shown   map[int]Picture
	wanted  map[int]bool   // since the last forget
	byName  map[string]int // samples by the ends of their names, if needed
}

// albums holds the albums of some data sets.
type albums map[string]*album

// of returns the album of the validation set of a configuration.
func (a albums) of(c *configs.Config) *album {
	key := fmt.Sprint(c.Data, c.Model.InChans)
	if a[key] == nil {
		a[key] = &album{}
	}
	return a[key]
}

// forget drops pictures that nobody has asked for since the last forget.
func (a albums) forget() {
	for key, album := range a {
		if album.wanted == nil {
			delete(a, key)
			continue
		}
		maps.DeleteFunc(album.shown, func(i int, _ Picture) bool { return !album.wanted[i] })
		album.wanted = nil
	}
}

func (a *album) open(c *configs.Config) error {
	if a.dataset == nil && a.err == nil {
		a.dataset, a.err = sets.Open(context.Background(), c.Data, false)
		a.shown = map[int]Picture{}
	}
	return a.err
}

// find returns the sample that was measured under a number and a name. The data set may have
// moved, or other images may have come before it since. It is -1 if it is gone.
func (a *album) find(c *configs.Config, i int, name string) (int, error) {
	if err := a.open(c); err != nil {
		return -1, err
	}
	if i >= 0 && i < a.dataset.Len() && tail(a.dataset.Name(i)) == tail(name) {
		return i, nil
	}
	if a.byName == nil {
		a.byName = make(map[string]int, a.dataset.Len())
		for k := range a.dataset.Len() {
			a.byName[tail(a.dataset.Name(k))] = k
		}
	}
	if i, ok := a.byName[tail(name)]; ok {
		return i, nil
	}
	return -1, nil
}

// tail returns the end of a path, which is the same if the data set moves.
func tail(name string) string {
	name = filepath.ToSlash(name)
	return path.Join(path.Base(path.Dir(name)), path.Base(name))
}

// picture draws image i of the set of a configuration.
func (a *album) picture(c *configs.Config, i int) (Picture, error) {
	if a.wanted == nil {
		a.wanted = map[int]bool{}
	}
	a.wanted[i] = true
	if p, ok := a.shown[i]; ok || a.err != nil {
		return p, a.err
	}
	if err := a.open(c); err != nil {
		return Picture{}, err
	}
	if i < 0 || i >= a.dataset.Len() {
		return Picture{}, fmt.Errorf("the data set has only %d validation images, and no number %d", a.dataset.Len(), i)
	}
	m, err := a.dataset.Image(i)
	if err != nil {
		return Picture{}, err
	}
	t := preprocess.Evaluation(c.Data, c.Model.InChans)
	if err := t.Validate(); err != nil {
		return Picture{}, err
	}
	height, width, channels := t.OutputShape()
	values := make([]float32, height*width*channels)
	if err := t.Apply(m, nil, values); err != nil {
		return Picture{}, err
	}
	p := Picture{Width: width, Height: height}
	p.Source, err = inline(viz.Colours{Mean: t.Mean, Std: t.Std}.Picture(values, height, width, 1), true)
	if err == nil {
		a.shown[i] = p
	}
	return p, err
}

// shown is a sample to show, with its caption.
type shown struct {
	index             int
	name, title, note string
}

// mistakes returns pictures of the most confident mistakes, or the reason why there are
// none.
func (a *album) mistakes(r *Run) (all []Picture, missing string) {
	if r.Evaluation == nil {
		return nil, ""
	}
	e := r.Evaluation
	var samples []shown
	for _, m := range e.Mistakes {
		samples = append(samples, shown{
			m.Index, m.Name, eval.ClassName(e.Classes, m.Label),
			fmt.Sprintf("taken for %s, %.1f\u00a0%%", eval.ClassName(e.Classes, m.Answer), 100*m.Confidence),
		})
	}
	return a.pictures(r, samples)
}

// pictures returns the pictures of samples, or the reason why there are none.
func (a *album) pictures(r *Run, samples []shown) (all []Picture, missing string) {
	for _, s := range samples {
		i, err := a.find(r.Config, s.index, s.name)
		if err != nil {
			return nil, err.Error()
		}
		if i < 0 {
			missing = "the measured validation images are no longer there"
			continue
		}
		p, err := a.picture(r.Config, i)
		if err != nil {
			return nil, err.Error()
		}
		p.File = r.file(s.name)
		p.Alt = fmt.Sprintf("%s: %s, %s", p.File, s.title, s.note)
		p.Title, p.Note = s.title, s.note
		all = append(all, p)
	}
	return all, missing
}

// file returns the name of a sample without the folder of the data set.
func (r *Run) file(name string) string {
	dir := r.Config.Data.Dir
	if within, err := filepath.Rel(dir, name); dir != "" && err == nil && filepath.IsLocal(within) {
		return filepath.ToSlash(within)
	}
	if filepath.IsAbs(name) {
		return tail(name)
	}
	return name
}

// shownSamples is how many pictures of a pre-training are shown.
const shownSamples = 4

// samples returns pictures that a pre-training drew: the first, the last, and some
// between.
func (r *Run) samples() (all []Picture, err error) {
	paths := r.Samples
	if n := len(paths); n > shownSamples {
		var some []string
		for i := range shownSamples {
			some = append(some, paths[i*(n-1)/(shownSamples-1)])
		}
		paths = some
	}
	for _, path := range paths {
		content, err := disk.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("run folder: %w", err)
		}
		c, err := png.DecodeConfig(bytes.NewReader(content))
		if err != nil {
			continue // it is being written now
		}
		var epoch int
		if _, err := fmt.Sscanf(filepath.Base(path), "epoch-%d.png", &epoch); err != nil {
			continue // not a picture of the run
		}
		title := fmt.Sprintf("after epoch %d", epoch)
		all = append(all, Picture{
			Source: address("png", content),
			Width:  c.Width,
			Height: c.Height,
			Title:  title,
			Alt:    "reconstructions " + title,
		})
	}
	return all, nil
}
