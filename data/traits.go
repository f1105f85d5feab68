package data

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"fasternet/data/picture"
)

// Traits counts images that a setting decides about.
type Traits struct {
	Looked  int   // images whose headers were read; 0 for a dataset of pixels
	Turned  int   // images of these that the camera did not take upright
	Deep    int   // grey images of these with more than 8 bits
	Largest uint8 // largest value of the deep ones, scaled to 8 bits
}

func (t *Traits) add(o Traits) {
	t.Looked += o.Looked
	t.Turned += o.Turned
	t.Deep += o.Deep
	t.Largest = max(t.Largest, o.Largest)
}

// Survey reads the headers of at most the given number of samples, spread evenly over the
// dataset; of all samples if most is 0. Samples that cannot be read do not count. It fails
// only when ctx ends.
func Survey(ctx context.Context, ds Dataset, most, workers int) (Traits, error) {
	n := ds.Len()
	count := n
	if most > 0 {
		count = min(n, most)
	}
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	found := make([]Traits, workers)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			var buf []byte
			for k := w; k < count && ctx.Err() == nil; k += workers {
				var t Traits
				t, buf = traitsOf(ds, k*n/count, buf)
				found[w].add(t)
			}
		})
	}
	group.Wait()
	var t Traits
	for _, f := range found {
		t.add(f)
	}
	return t, ctx.Err()
}

// traitsOf looks at one sample. It reads it into the memory of buf.
func traitsOf(ds Dataset, i int, buf []byte) (Traits, []byte) {
	if p, at := pixelSet(ds, i); p != nil {
		o, buf, err := p.Stored(at, new(picture.Image), buf)
		if err != nil {
			return Traits{}, buf
		}
		return traits(o), buf
	}
	content, ok, err := Encoded(ds, i, buf)
	if err != nil || !ok {
		return Traits{}, buf
	}
	return traitsOfFile(content), content[:0]
}

func traits(o picture.Orientation) Traits {
	t := Traits{Looked: 1}
	if o > picture.Upright {
		t.Turned = 1
	}
	return t
}

func traitsOfFile(content []byte) Traits {
	format := picture.Format(content)
	if format == "" {
		return Traits{}
	}
	t := traits(picture.OrientationOf(content, format))
	if picture.IsDeepGrey(content, format) {
		if m, err := picture.Decode(content); err == nil {
			t.Deep, t.Largest = 1, slices.Max(m.Pix)
		}
	}
	return t
}

// fewLevels is a quarter of the range of 8 bits: if no value is larger, scaling to 8 bits has
// lost most levels of grey.
const fewLevels = 63

// Describe says how a decoding treats the images. Warnings are about settings that lose
// something.
func (t Traits) Describe(how picture.Decoding) (facts, warnings []string) {
	if t.Turned > 0 {
		text := fmt.Sprintf("%d of %d images looked at have an EXIF orientation other than upright, ",
			t.Turned, t.Looked)
		if how.IgnoreOrientation {
			warnings = append(warnings, text+"which is ignored (data.orientation: ignore; exif turns them)")
		} else {
			facts = append(facts, text+"by which they are turned (data.orientation: exif)")
		}
	}
	if t.Deep == 0 {
		return facts, warnings
	}
	text := fmt.Sprintf("%d of %d images looked at are grey with more than 8 bits; ", t.Deep, t.Looked)
	switch {
	case how.Clip16Bit:
		warnings = append(warnings, text+
			"their values above 255 become 255 (data.sixteen_bit: clip; scale keeps them apart)")
	case t.Largest <= fewLevels:
		warnings = append(warnings, fmt.Sprintf("%sscaled to 8 bits (data.sixteen_bit: scale) "+
			"none is above %d of 255, so that %d levels of grey are left: rescale the images to all bits first",
			text, t.Largest, int(t.Largest)+1))
	default:
		facts = append(facts, text+"their values are scaled to 8 bits (data.sixteen_bit: scale)")
	}
	return facts, warnings
}

// DescribeTraits is [Traits.Describe] with the decoding of a dataset.
func DescribeTraits(ds Dataset, t Traits) (facts, warnings []string) {
	return t.Describe(DecodingOf(ds))
}
