package eval

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestMistakes(t *testing.T) {
	m := &Report{}
	for i, c := range []float64{0.5, 0.9, 0.1, 0.9, 0.7} {
		m.mistake(Mistake{Index: i, Confidence: c}, 3)
	}
	var order []int
	for _, x := range m.Mistakes {
		order = append(order, x.Index)
	}
	if !reflect.DeepEqual(order, []int{1, 3, 4}) {
		t.Errorf("kept %v, want the most confident, of equal ones the first", order)
	}
	m = &Report{}
	if m.mistake(Mistake{}, 0); len(m.Mistakes) != 0 {
		t.Error("a mistake is kept where none is wanted")
	}
}

func TestConfusionJSON(t *testing.T) {
	c := NewConfusion(3)
	for _, k := range [][2]int{{0, 1}, {0, 1}, {2, 2}, {1, -1}, {1, 0}} {
		c.Add(k[0], k[1])
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"classes":3,"counts":[[0,1,2],[1,-1,1],[1,0,1],[2,2,1]]}`; string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}
	var back Confusion
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(&back, c) {
		t.Errorf("%+v, %v", back, err)
	}
	if want := []Pair{{0, 1, 2}, {1, 0, 1}}; !reflect.DeepEqual(c.Pairs(), want) {
		t.Errorf("pairs %v, want %v", c.Pairs(), want)
	}
	for _, bad := range []string{
		`{"classes":2,"counts":[[2,0,1]]}`, `{"classes":2,"counts":[[0,2,1]]}`,
		`{"classes":2,"counts":[[0,-2,1]]}`, `{"classes":2,"counts":[[0,0,-1]]}`, `[]`,
	} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}
