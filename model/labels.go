package model

import (
	"fmt"

	"fasternet/data/classes"
)

// Labels are what people call the classes of a model, by their numbers. names are the names of the
// classes, usually [Loaded.Classes]: they go from one list of classes to another, and may be
// numbers of WordNet, as ImageNet has them. A label is what config.json describes the class by,
// or ImageNet's words, or else the name. The note says what was assumed; it may be "".
func (l *Loaded) Labels(names []string) (labels []string, note string) {
	if len(l.called) > 0 && len(names) > 0 {
		for _, name := range names {
			label := name
			if text := l.called[name]; text != "" {
				label = text
			}
			labels = append(labels, label)
		}
		return labels, ""
	}
	labels, assumed := classes.Words(names, l.Model.Classes())
	if assumed {
		note = fmt.Sprintf("the model does not say what its %d classes are called: they get the words of ImageNet-1k", len(labels))
	}
	return labels, note
}
