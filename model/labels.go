package model

import (
	"fmt"

	"fasternet/data/classes"
)

// Labels returns what people call the classes of a model, by number. names are the names of the classes,
// usually [Loaded.Classes]: they connect two lists of classes, and may be WordNet numbers, as in
// ImageNet. A label is the description in config.json, or the words of ImageNet, else the name. The
// note says what was assumed; it may be "".
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
		note = fmt.Sprintf("the model does not say what its %d classes are called: the names of ImageNet-1k are used",
			len(labels))
	}
	return labels, note
}
