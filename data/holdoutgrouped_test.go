package data

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// stamped is a dataset that knows sizes, and counts which samples are looked at.
type stamped struct {
	*named
	sizes []uint64
	read  []int
}

func (s *stamped) StampSize(i int) uint64 { return s.sizes[i] }

// heldNames returns the names that are held out of a dataset.
func heldNames(t *testing.T, ds Dataset, fraction float64, seed uint64) (names []string, together int) {
	t.Helper()
	train, val, err := HoldOutGrouped(ds, fraction, seed)
	if err != nil {
		t.Fatal(err)
	}
	if train.Len()+val.Len() != ds.Len() || Together(train) != Together(val) {
		t.Fatalf("%d and %d of %d, %d and %d together",
			train.Len(), val.Len(), ds.Len(), Together(train), Together(val))
	}
	for i := range val.Len() {
		names = append(names, val.Name(i))
	}
	slices.Sort(names)
	return names, Together(Few(Subset(train, []int{0}), 1, 0))
}

// copiesOf is a dataset of 200 samples of which the last 100 are copies of the first, half of them
// in another class.
func copiesOf() copied {
	ds := copied{&named{classes: 2}, map[int]int{}}
	for i := range 100 {
		ds.add(fmt.Sprintf("a/%03d.png", i), 0)
	}
	for i := range 100 {
		ds.add(fmt.Sprintf("b/copy of %03d.png", i), i%2)
		ds.copies[100+i] = i
	}
	return ds
}

// Copies under other names, in whatever classes, are in one part.
func TestHoldOutKeepsCopiesTogether(t *testing.T) {
	ds := copiesOf()
	for seed := range uint64(4) {
		held, together := heldNames(t, ds, 0.4, seed)
		if together != 200 {
			t.Errorf("seed %d: %d samples have copies, want 200", seed, together)
		}
		if len(held) < 40 || len(held) > 120 { // 80 on average, of 100 pairs
			t.Errorf("seed %d: %d are held out", seed, len(held))
		}
		for i := range 100 {
			if slices.Contains(held, ds.names[i]) != slices.Contains(held, ds.names[100+i]) {
				t.Errorf("seed %d: %s and its copy are in two parts", seed, ds.names[i])
			}
		}
	}
	if _, val, err := HoldOut(ds, 0.4, 0); err != nil || Together(val) != 0 {
		t.Errorf("by names alone: %d, %v", Together(val), err)
	}
}

// Without copies it is the rule of names. A copy moves none but its own image, and not even that if its
// name comes later.
func TestHoldOutGroupedMovesNone(t *testing.T) {
	ds := &named{classes: 2}
	for i := range 100 {
		ds.add(fmt.Sprintf("%03d.png", i), i%2)
	}
	_, val, err := HoldOut(ds, 0.3, 1)
	if err != nil {
		t.Fatal(err)
	}
	before, together := heldNames(t, ds, 0.3, 1)
	if together != 0 || len(before) != val.Len() {
		t.Fatalf("%d are held out, by their names %d; %d copies", len(before), val.Len(), together)
	}
	with := copied{ds, map[int]int{}}
	for i := range 60 {
		with.copies[100+i] = i
		ds.add(fmt.Sprintf("%c/copy %03d.png", "#z"[i/30], i), i%2)
	}
	after, _ := heldNames(t, with, 0.3, 1)
	for i := range 100 {
		if name := ds.names[i]; i >= 30 && slices.Contains(after, name) != slices.Contains(before, name) {
			t.Errorf("%s moves, and has no copy whose name comes first", name)
		}
	}
}

// Of a few samples one is held out, whatever their scores are; but none that a class needs.
func TestHoldOutOfFew(t *testing.T) {
	few := &named{classes: 2}
	for _, name := range []string{"a", "b", "c"} {
		few.add(name, 0)
	}
	few.add("d", 1)
	for seed := range uint64(20) {
		if held, _ := heldNames(t, few, 0.001, seed); len(held) != 1 || held[0] == "d" {
			t.Errorf("seed %d: %v", seed, held)
		}
	}
	single := &named{classes: 3}
	for i, name := range []string{"a", "b", "c"} {
		single.add(name, i)
	}
	twins := copied{&named{classes: 2}, map[int]int{1: 0, 3: 2}}
	for i, name := range []string{"a", "b", "c", "d"} {
		twins.add(name, i/2)
	}
	const want = "no image can be held out for validation: each class has only one image"
	for _, ds := range []Dataset{single, twins} {
		if _, _, err := HoldOutGrouped(ds, 0.5, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v", err)
		}
	}
}

func (s *stamped) Encoded(i int, _ []byte) ([]byte, bool, error) {
	s.read[i]++
	if s.names[i] == "broken" {
		return nil, true, fmt.Errorf("%s cannot be read", s.names[i])
	}
	return []byte{s.contents[i]}, true, nil
}

// Only files that share their size are read, each once. Those that cannot be read are copies of none.
func TestSameContentReadsLittle(t *testing.T) {
	ds := &stamped{named: &named{classes: 1}, sizes: []uint64{5, 7, 5, 9, 5, 7}, read: make([]int, 6)}
	for _, name := range []string{"a", "b", "c", "d", "broken", "f"} {
		ds.add(name, 0)
	}
	ds.contents = []byte{1, 2, 1, 4, 1, 6}
	if got, want := fmt.Sprint(sameContent(ds)), "[0 1 0 3 4 5]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := fmt.Sprint(ds.read), "[1 1 1 0 1 1]"; got != want {
		t.Errorf("read %s times, want %s", got, want)
	}
}
