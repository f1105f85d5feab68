package eval

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Mistake is a sample that was taken for another class.
type Mistake struct {
	Index      int     `json:"index"` // of the sample in the data set
	Name       string  `json:"name"`
	Label      int     `json:"label"`
	Answer     int     `json:"answer"`
	Confidence float64 `json:"confidence"` // softmax probability of the answer
}

// mistake keeps a mistake if it is among the most confident ones. They are kept in order of
// confidence; equal ones in the order in which they came.
func (m *Report) mistake(x Mistake, most int) {
	at, _ := slices.BinarySearchFunc(m.Mistakes, x, func(a, b Mistake) int {
		if a.Confidence >= b.Confidence {
			return -1
		}
		return 1
	})
	if at < most {
		m.Mistakes = slices.Insert(m.Mistakes, at, x)
		m.Mistakes = m.Mistakes[:min(len(m.Mistakes), most)]
	}
}

// confusionJSON is the form of a matrix in a file: class, answer and count of each cell that is not zero.
type confusionJSON struct {
	Classes int      `json:"classes"`
	Counts  [][3]int `json:"counts"`
}

// MarshalJSON implements json.Marshaler.
func (c *Confusion) MarshalJSON() ([]byte, error) {
	j := confusionJSON{Classes: c.Classes, Counts: [][3]int{}}
	for _, k := range slices.SortedFunc(maps.Keys(c.counts), func(a, b [2]int) int {
		return slices.Compare(a[:], b[:])
	}) {
		j.Counts = append(j.Counts, [3]int{k[0], k[1], c.counts[k]})
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements json.Unmarshaler. It refuses cells that a matrix cannot have.
func (c *Confusion) UnmarshalJSON(text []byte) error {
	var j confusionJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*c = *NewConfusion(j.Classes)
	for _, n := range j.Counts {
		if n[0] < 0 || n[0] >= j.Classes || n[1] < -1 || n[1] >= j.Classes || n[2] < 0 {
			return fmt.Errorf("a confusion matrix of %d classes cannot have a cell of class %d, answer %d, count %d",
				j.Classes, n[0], n[1], n[2])
		}
		c.counts[[2]int{n[0], n[1]}] = n[2]
	}
	return nil
}

// Pair is a class and a wrong answer, with how often it was given.
type Pair struct{ Class, Answer, Count int }

// Pairs returns the mistakes, the most frequent first.
func (c *Confusion) Pairs() []Pair {
	var all []Pair
	for k, n := range c.counts {
		if k[0] != k[1] && k[1] >= 0 && n > 0 {
			all = append(all, Pair{k[0], k[1], n})
		}
	}
	slices.SortFunc(all, func(a, b Pair) int {
		return cmp.Or(b.Count-a.Count, a.Class-b.Class, a.Answer-b.Answer)
	})
	return all
}
