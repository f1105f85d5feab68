package audit

import (
	"context"
	"fmt"
	"strings"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/sets"
	"fasternet/eval"
)

// Options say how [Dataset] looks at a data set.
type Options struct {
	Splits    []data.Split // parts to look at
	MinSide   int          // images with a shorter side are tiny; 0 for none
	MaxPixels int          // images with more pixels are huge; 0 for none
	Copies    CopiesLevel
	Progress  func(part string, done, total int) // may be nil
}

// CopiesLevel says how to report an image that occurs twice.
type CopiesLevel string

// The levels of copies.
const (
	CopiesError CopiesLevel = "error" // an error in training and validation, or in two classes
	CopiesNote  CopiesLevel = "note"
	CopiesOff   CopiesLevel = "off" // do not look for copies
)

// partName is the name of a part in messages.
var partName = map[data.Split]string{data.Train: "training", data.Val: "validation"}

// part is a part of a data set that could be opened.
type part struct {
	split data.Split
	*data.Verified
}

// Dataset decodes all images of a data set and reports what is wrong with it, part by
// part and then between the parts. The only error is a cancelled context.
func Dataset(ctx context.Context, c *configs.Config, o Options) (*Report, error) {
	r := &Report{Findings: []Finding{}}
	var parts []part
	for _, split := range o.Splits {
		name := partName[split]
		ds, err := sets.Inspect(ctx, c.Data, split == data.Train)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			r.add(Error, Unopened, fmt.Sprintf("the %s part cannot be opened: %v", name, err))
			if c.Data.HoldsOut() {
				break // the other part comes from the same files
			}
			continue
		}
		for _, f := range data.FaultsOf(ds) {
			if !f.Image { // images are checked one by one
				r.add(Error, Fault, f.Err.Error())
			}
		}
		options := data.VerifyOptions{
			Workers:   c.Data.Workers,
			MinSide:   o.MinSide,
			MaxPixels: o.MaxPixels,
			Copies:    o.Copies != CopiesOff,
		}
		if o.Progress != nil {
			options.Progress = func(done, total int) { o.Progress(name, done, total) }
		}
		v, err := data.Verify(ctx, ds, options)
		if err != nil {
			return nil, err
		}
		r.Images += ds.Len()
		r.broken(v)
		parts = append(parts, part{split, v})
	}
	r.copies(parts, o.Copies, c.Classifies())
	if c.Classifies() {
		r.classes(parts)
	}
	for _, p := range parts {
		r.sizes(p.Verified)
		r.pixels(partName[p.split], p.Verified)
	}
	r.leftOut(c.Data, parts)
	r.sort()
	return r, nil
}

// broken reports the images that cannot be used. If the opener knows more about an image, such
// as its line in a list, the finding has the opener's text.
func (r *Report) broken(v *data.Verified) {
	faults := data.FaultsOf(v.Dataset)
	for _, b := range v.Broken {
		text := b.Err.Error()
		for _, f := range faults {
			if f.Image && strings.Contains(f.Err.Error(), b.Name) {
				text = f.Err.Error()
				break
			}
		}
		r.add(Error, Broken, text, b.Name)
	}
}

// sizes reports the images of unusual sizes.
func (r *Report) sizes(v *data.Verified) {
	for _, s := range v.Tiny {
		r.add(Note, Tiny, fmt.Sprintf("%s is tiny: %d×%d pixels (width × height)", s.Name, s.Width, s.Height), s.Name)
	}
	for _, s := range v.Huge {
		r.add(Note, Huge, fmt.Sprintf("%s is huge: %d×%d pixels (width × height); "+
			"decoding takes long, data pack --short-side makes a smaller copy", s.Name, s.Width, s.Height), s.Name)
	}
}

// pixels reports settings that lose a part of the images.
func (r *Report) pixels(part string, v *data.Verified) {
	_, warnings := data.DescribeTraits(v.Dataset, v.Traits)
	for _, text := range warnings {
		r.add(Note, Pixels, part+": "+text)
	}
}

// leftOut reports the files that are not images of the data set, and the remarks of the openers
// of the parts.
func (r *Report) leftOut(d configs.Data, parts []part) {
	of := map[data.Split]data.Dataset{}
	for _, p := range parts {
		of[p.split] = p.Dataset
	}
	for _, l := range eval.LeftOut(d, of[data.Train], of[data.Val]) {
		var paths []string
		for _, file := range l.Files {
			paths = append(paths, fmt.Sprintf("%s (%s)", file.Path, file.Reason))
		}
		r.add(Note, LeftOut, l.String(), paths...)
	}
	for _, note := range eval.Remarks(d, of[data.Train], of[data.Val]) {
		r.add(Note, Remark, note)
	}
}
