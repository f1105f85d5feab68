package eval

import (
	"fasternet/data"
)

// LabelIssues lists images whose labels are probably wrong: see [metrics.Collector.LabelIssues].
type LabelIssues struct {
	Count  int          `json:"count"`  // all of them
	Listed []LabelIssue `json:"listed"` // the first ones
	// Answer says that only answers were compared with thresholds, because there were too many logits.
	Answer bool `json:"answers,omitempty"`
}

// LabelIssue is an image whose label is probably wrong.
type LabelIssue struct {
	Index       int     `json:"index"` // of the sample in the data set
	Name        string  `json:"name"`
	Label       int     `json:"label"`
	Suggested   int     `json:"suggested"`
	Given       float64 `json:"label_probability"`
	Probability float64 `json:"suggested_probability"`
}

// Example is a sample that shows what the model does with a class.
type Example struct {
	Index      int     `json:"index"` // of the sample in the data set
	Name       string  `json:"name"`
	Label      int     `json:"label"`
	Answer     int     `json:"answer"`
	Confidence float64 `json:"confidence"` // softmax probability of the answer
}

// At most this many classes have examples, and if there are few classes, each has at most this many
// examples of a kind.
const (
	exampleClasses = 12
	examplesOfKind = 4
	listedIssues   = 200
)

// Inspect finds labels that are probably wrong, and examples of all classes, or of some classes at
// even distances. The examples of a class are the first samples that the model recognises and the first
// that it does not. ds is the data set of the report. Merge the report first.
func (m *Report) Inspect(ds data.Dataset) {
	m.Examples = m.examples(ds)
	issues, all := m.collected.LabelIssues()
	m.LabelIssues = &LabelIssues{Count: len(issues), Answer: !all, Listed: []LabelIssue{}}
	for _, x := range issues[:min(len(issues), listedIssues)] {
		i := int(m.indices[x.Image])
		m.LabelIssues.Listed = append(m.LabelIssues.Listed,
			LabelIssue{i, ds.Name(i), x.Label, x.Suggested, x.Given, x.Probability})
	}
}

func (m *Report) examples(ds data.Dataset) []Example {
	counts := make([]int, m.Confusion.Classes)
	for k, n := range m.Confusion.Totals() {
		counts[k] = n
	}
	var classes []int // the classes that have samples
	for k, n := range counts {
		if n > 0 {
			classes = append(classes, k)
		}
	}
	if len(classes) == 0 {
		return nil
	}
	most := max(1, min(exampleClasses/len(classes), examplesOfKind))
	if n := len(classes); n > exampleClasses {
		spread := make([]int, exampleClasses)
		for i := range spread {
			spread[i] = classes[i*(n-1)/(exampleClasses-1)]
		}
		classes = spread
	}
	found := map[int]*[2][]Example{} // by class: right, wrong
	for _, k := range classes {
		found[k] = &[2][]Example{}
	}
	for i, index := range m.indices {
		s := m.collected.Sample(i)
		of := found[s.Label]
		if of == nil || !(s.Confidence >= 0) { // NaN too
			continue
		}
		kind := 0
		if s.Rank > 0 {
			kind = 1
		}
		if len(of[kind]) < most {
			of[kind] = append(of[kind], Example{int(index), ds.Name(int(index)), s.Label, s.Answer, s.Confidence})
		}
	}
	all := []Example{}
	for _, k := range classes {
		all = append(append(all, found[k][0]...), found[k][1]...)
	}
	return all
}
