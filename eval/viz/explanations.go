package viz

import (
	"context"
	"errors"
	"fmt"
	"image"

	"fasternet/data"
	"fasternet/eval"
	"fasternet/graph"
)

// mostHeads is the largest number of heads that are drawn one by one.
const mostHeads = 16

// leastSide is the smallest side of a picture, in pixels.
const leastSide = 192

// Explanations draws where a classifier looks in images of a data set: Grad-CAM for its answer and, for
// a ViT, the attention of the last block, or of another one (Options.Block): the mean over its heads, and
// every head. names are the names of the model's classes.
func Explanations(ctx context.Context, r *graph.Runner, ds data.Dataset, names []string, o Options) (*Sheet, error) {
	found, err := Explain(ctx, r, ds, o)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errors.New("viz: none of the images can be read")
	}
	size := o.Transform.Size
	zoom := max(1, (leastSide+size-1)/size)
	colours := Colours{o.Transform.Mean, o.Transform.Std}
	sheet := &Sheet{Title: o.Title, Notes: explanationNotes(found[0], r.Model, o)}
	for _, x := range found {
		picture := colours.Picture(x.Pixels, size, size, zoom)
		name := ds.Name(x.Index)
		if class := data.LabelNames(ds, x.Index); class != "" {
			name = fmt.Sprintf("%s (%s)", name, class)
		}
		first := Group{Panels: []Panel{{Title: "image", Image: picture}}}
		if !o.Headless {
			first.Panels[0].Caption = answerOf(x, names)
			cam := Panel{Title: "Grad-CAM", Caption: "for " + answerOf(x, names), Image: x.CAM.Over(picture)}
			first.Panels = append(first.Panels, cam)
		}
		groups := []Group{first}
		if x.Attention != nil {
			mean := attentionPanel("attention, mean of the heads", *x.Attention, picture)
			groups[0].Panels = append(groups[0].Panels, mean)
			heads := Group{Title: "heads"}
			for h, heat := range x.Heads {
				heads.Panels = append(heads.Panels, attentionPanel(fmt.Sprintf("head %d", h+1), heat, picture))
			}
			groups = append(groups, heads)
		}
		sheet.Entries = append(sheet.Entries, Entry{Name: name, Groups: groups})
	}
	return sheet, nil
}

func attentionPanel(title string, heat Heat, picture *image.RGBA) Panel {
	return Panel{Title: title, Caption: fmt.Sprintf("brightest: %.3g", heat.Most), Image: heat.Over(picture)}
}

// answerOf returns the model's answer to an image, and its probability.
func answerOf(x Explanation, names []string) string {
	if x.Answer < 0 {
		return "no answer: the logits are NaN"
	}
	return fmt.Sprintf("%s, %.1f %%", eval.ClassName(names, x.Answer), 100*x.Confidence)
}

// These notes say what Grad-CAM and attention show.
const (
	CAMNote = "Grad-CAM (Selvaraju et al., 2017): the channels of the last map, " +
		"each weighted with its mean gradient of the logit of the answer; " +
		"values that speak against the answer are not shown. " +
		"Each picture has its own scale: its largest value is the brightest."
	WindowsNote = "Swin attends within windows and has no class token, " +
		"so there is no attention over the whole image to draw."
)

// attentionNote says what the attention of a block shows.
func attentionNote(block string) string {
	return "Attention of " + block + ": how much of each patch the class token reads, " +
		"or the patches on average if the classifier takes their mean."
}

func explanationNotes(x Explanation, m graph.Model, o Options) (notes []string) {
	if !o.Headless {
		notes = append(notes, fmt.Sprintf("%s The map has %s cells; colours are interpolated between their centres.",
			CAMNote, x.CAM.Grid))
	}
	note := AttentionOf(m)
	if a, ok := m.(attentive); ok && o.Block > 0 {
		note = attentionNote(fmt.Sprintf("block %d of %d", o.Block, a.Blocks()))
	}
	if note != "" {
		notes = append(notes, note)
	}
	return notes
}

// AcrossClasses returns at most this many images of all classes in turn: first the first image of each
// class, then the second ones. If an image has several labels, the first one counts.
func AcrossClasses(ds data.Dataset, most int) []int {
	byClass := make([][]int, len(ds.Classes()))
	for i := range ds.Len() {
		labels := data.LabelSet(ds, i)
		if len(labels) == 0 {
			continue
		}
		if k := labels[0]; k >= 0 && k < len(byClass) && len(byClass[k]) < most {
			byClass[k] = append(byClass[k], i)
		}
	}
	var have [][]int
	for _, of := range byClass {
		if len(of) > 0 {
			have = append(have, of)
		}
	}
	if n := len(have); n > most && most > 1 { // choose classes at even distances
		spread := make([][]int, most)
		for i := range spread {
			spread[i] = have[i*(n-1)/(most-1)]
		}
		have = spread
	}
	var all []int
	for turn := 0; len(all) < most; turn++ {
		before := len(all)
		for _, of := range have {
			if turn < len(of) && len(all) < most {
				all = append(all, of[turn])
			}
		}
		if len(all) == before {
			break
		}
	}
	return all
}
