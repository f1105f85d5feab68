package eval

import (
	"fasternet/data"
)

// LabelIssues are images whose labels are probably wrong: see [metrics.Collector.LabelIssues].
type LabelIssues struct {
	Count  int          `json:"count"`             // of all
	Listed []LabelIssue `json:"listed"`            // the first ones
	Answer bool         `json:"answers,omitempty"` // only answers were compared with thresholds, because there were too many logits
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
	Confidence float64 `json:"confidence"` // probability of the answer, by softmax
}

// The most classes that have examples, and the most examples of a kind that a class has, if there are few
// classes.
const (
	exampleClasses = 12
	examplesOfKind = 4
	listedIssues   = 200
)

// Inspect finds examples of all classes, or of some that are spread evenly over them, and labels
// that are probably wrong. Of each class the examples are the first samples that are
// recognised, and the first that are not. ds is the data set that the report is of; the report is merged.
func (m *Report) Inspect(ds data.Dataset) {
	m.Examples = m.examples(ds)
	issues, all := m.collected.LabelIssues()
	m.LabelIssues = &LabelIssues{Count: len(issues), Answer: !all, Listed: []LabelIssue{}}
	for _, x := range issues[:min(len(issues), listedIssues)] {
		i := int(m.indices[x.Image])
		m.LabelIssues.Listed = append(m.LabelIssues.Listed, LabelIssue{i, ds.Name(i), x.Label, x.Suggested, x.Given, x.Probability})
	}
}

func (m *Report) examples(ds data.Dataset) []Example {
	counts := make([]int, m.Confusion.Classes)
	for k, n := range m.Confusion.Totals() {
		counts[k] = n
	}
	var classes []int // that have samples
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
	found := map[int]*[2][]Example{} // of each class: right, wrong
	for _, k := range classes {
		found[k] = &[2][]Example{}
	}
	for i, index := range m.indices {
		s := m.collected.Sample(i)
		of := found[s.Label]
		if of == nil || !(s.Confidence >= 0) { // nor NaN
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
