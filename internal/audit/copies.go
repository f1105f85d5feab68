package audit

import (
	"fmt"
	"strings"

	"fasternet/data"
)

// fewCopies is how many copies of an image the text of a finding names.
const fewCopies = 4

// copies reports images that occur twice: in training and validation, so that validation
// rewards memorising; in two classes, one of which must be wrong; or in one class.
func (r *Report) copies(parts []part, level CopiesLevel, labelled bool) {
	if level == CopiesOff {
		return
	}
	var verified []*data.Verified
	for _, p := range parts {
		verified = append(verified, p.Verified)
	}
	bad := Error
	if level == CopiesNote {
		bad = Note
	}
	for _, group := range data.FindCopies(verified...) {
		var names []string
		inParts, inClasses := map[int]bool{}, map[string]bool{}
		for _, at := range group {
			p := parts[at.Part]
			inParts[at.Part] = true
			name := p.Name(at.Index)
			if class := data.LabelNames(p.Dataset, at.Index); labelled && class != "" {
				inClasses[class] = true
				name += " (" + class + ")"
			}
			names = append(names, name)
		}
		text := strings.Join(names[:min(len(names), fewCopies)], " = ")
		if more := len(names) - fewCopies; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		switch {
		case len(inParts) > 1 && len(inClasses) > 1:
			r.add(bad, Leak, "the same image in training and validation, in two classes: "+text, names...)
		case len(inParts) > 1:
			r.add(bad, Leak, "the same image in training and validation: "+text, names...)
		case len(inClasses) > 1:
			r.add(bad, Conflict, "the same image in two classes: "+text, names...)
		default:
			r.add(Note, Repeat, "the same image more than once: "+text, names...)
		}
	}
}
