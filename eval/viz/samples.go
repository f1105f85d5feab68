package viz

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"fasternet/data"
	"fasternet/data/picture"
)

// samplesInRow is how many images are in a row.
const samplesInRow = 8

// least is the least height of a picture, in pixels. Its caption is below.
const least = 160

// Samples draws the first images of an epoch of training as the model sees them: augmented,
// normalised and mixed, in the order of the epoch. Captions give the class (of a mixed image,
// both classes with their shares), the file, and what was done to it. The loader must trace.
func Samples(ctx context.Context, l *data.Loader, ds data.Dataset, epoch, count int, colours Colours) (*Sheet, error) {
	it := l.Epoch(ctx, epoch, 0)
	defer it.Close()
	s, drawn := &Sheet{}, 0
	for drawn < count {
		b, err := it.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(b.Traces) != b.Size {
			return nil, errors.New("viz: the loader does not trace what its pictures show: set LoaderOptions.Trace")
		}
		size := b.Height * b.Width * b.Channels
		for k := 0; k < b.Size && drawn < count; k++ {
			if drawn%samplesInRow == 0 {
				name := fmt.Sprintf("from image %d of the epoch on", drawn+1)
				s.Entries = append(s.Entries, Entry{Name: name, Groups: []Group{{}}})
			}
			row := &s.Entries[len(s.Entries)-1].Groups[0]
			classes, more := shown(b, k, ds)
			row.Panels = append(row.Panels, Panel{
				Caption: classes, Lines: more,
				Image: colours.Picture(b.Images[k*size:][:size], b.Height, b.Width, (least+b.Height-1)/b.Height),
			})
			drawn++
		}
	}
	return s, nil
}

// shown returns the classes that a picture shows and, in further lines, its file or both its
// files, and what was done to each before they were mixed.
func shown(b *data.Batch, k int, ds data.Dataset) (classes string, more []string) {
	t := b.Traces[k]
	class := func(k int) string {
		if b.Sets != nil {
			return data.LabelNames(ds, b.Traces[k].Index)
		}
		if names, c := ds.Classes(), b.Labels[k]; c < len(names) && names[c] != "" {
			return names[c]
		}
		return fmt.Sprint("class ", b.Labels[k])
	}
	file := func(k int) string { return filepath.Base(ds.Name(b.Traces[k].Index)) }
	if t.Partner < 0 {
		return class(k), []string{file(k), done(t)}
	}
	how := "mixup"
	if t.Cut {
		how = "CutMix"
	}
	return fmt.Sprintf("%.2f %s + %.2f %s (%s, λ %.3g)",
			t.Lambda, class(k), 1-t.Lambda, class(t.Partner), how, t.Lambda),
		[]string{file(k), done(t), "+ " + file(t.Partner), done(b.Traces[t.Partner])}
}

// done lists what was done to a picture.
func done(t data.Trace) string {
	var all []string
	c := t.Crop
	switch inside := c.Top >= 0 && c.Left >= 0 && c.Top+c.Height <= t.Height && c.Left+c.Width <= t.Width; {
	case c == picture.Box{Height: t.Height, Width: t.Width}:
		all = append(all, "whole image")
	case inside:
		all = append(all, fmt.Sprintf("crop %.0f %%", 100*float64(c.Height*c.Width)/float64(t.Height*t.Width)))
	default:
		all = append(all, fmt.Sprintf("crop from (%d, %d)", c.Left, c.Top))
	}
	if t.Flipped {
		all = append(all, "flipped")
	}
	all = append(all, t.Operations...)
	if t.Erased > 0 {
		all = append(all, fmt.Sprintf("erased %d×", t.Erased))
	}
	return strings.Join(all, ", ")
}
