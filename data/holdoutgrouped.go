package data

import (
	"errors"

	"golang.org/x/text/unicode/norm"
)

// HoldOutGrouped is [HoldOut] that keeps copies in one part: samples whose files have the same
// content, under whatever names and in whatever classes. The first of their names, in the order of
// text, decides for all of them. So no model is measured on an image that it was trained on, and a
// sample moves only if a copy joins it whose name comes first. [Together] counts these samples.
//
// One sample at least is held out, with its copies, even if no score is below the fraction: the one
// with the smallest score whose classes have others to train on. It is an error when there is none.
//
// Of a [Stamped] dataset only files of the same size are read. Copies with other bytes, such as an
// image that was saved again in another format, are not found here: see [FindCopies].
func HoldOutGrouped(ds Dataset, fraction float64, seed uint64) (train, val Dataset, err error) {
	if err := checkHoldOut(ds, fraction); err != nil {
		return nil, nil, err
	}
	names := make([]string, ds.Len())
	for i := range names {
		names[i] = norm.NFC.String(Key(ds, i))
	}
	groups := joined(ds, names)
	scores := groupScores(groups, names, seed)
	stays := staying(ds, fraction, groups, scores)
	held := func(i int) bool { return scores[i] < fraction && !stays[groups[i]] }
	some := false
	for i := range groups {
		some = some || held(i)
	}
	if !some {
		one, ok := lowest(ds, groups, scores)
		if !ok {
			return nil, nil, errors.New("data: no image can be held out for validation: " +
				"each class has only one image, or copies of one, and needs it for training: " +
				"add images, or a validation part")
		}
		held = func(i int) bool { return groups[i] == one }
	}
	train, val, err = takeApart(ds, fraction, held, "use another fraction, or another data.val_seed")
	if err != nil {
		return nil, nil, err
	}
	together := countCopies(groups, names)
	return keptTogether{train, together}, keptTogether{val, together}, nil
}

// groupScores gives each sample the score of the first name of its group.
func groupScores(groups []int, names []string, seed uint64) []float64 {
	first := map[int]string{}
	for i, g := range groups {
		if name, there := first[g]; !there || names[i] < name {
			first[g] = names[i]
		}
	}
	scores := make([]float64, len(groups))
	for i, g := range groups {
		scores[i] = Score(first[g], seed)
	}
	return scores
}

// countCopies counts the samples of groups with several names.
func countCopies(groups []int, names []string) (n int) {
	name, several := map[int]string{}, map[int]bool{}
	for i, g := range groups {
		if first, there := name[g]; there && first != names[i] {
			several[g] = true
		}
		name[g] = names[i]
	}
	for _, g := range groups {
		if several[g] {
			n++
		}
	}
	return n
}

// joined numbers the groups of samples that have the same name or the same content.
func joined(ds Dataset, names []string) []int {
	s := newUnion(ds.Len())
	byName := map[string]int{}
	for i, name := range names {
		if j, there := byName[name]; there {
			s.join(i, j)
		}
		byName[name] = i
	}
	for i, j := range sameContent(ds) {
		s.join(i, j)
	}
	groups := make([]int, ds.Len())
	for i := range groups {
		groups[i] = s.root(i)
	}
	return groups
}

// lowest returns the group with the smallest score of those without which every class still has a
// sample.
func lowest(ds Dataset, groups []int, scores []float64) (group int, ok bool) {
	total, rows := make([]int, len(ds.Classes())), map[int][]int{}
	for i, g := range groups {
		rows[g] = append(rows[g], i)
		for _, l := range LabelSet(ds, i) {
			total[l]++
		}
	}
	least := 1.0
	for i, g := range groups {
		if scores[i] >= least || len(rows[g]) == len(groups) {
			continue
		}
		gone, free := map[int]int{}, true
		for _, k := range rows[g] {
			for _, l := range LabelSet(ds, k) {
				gone[l]++
				free = free && gone[l] < total[l]
			}
		}
		if free {
			group, ok, least = g, true, scores[i]
		}
	}
	return group, ok
}

// keptTogether is a part of a dataset that knows how many samples were held out or kept with
// their copies.
type keptTogether struct {
	Dataset
	together int
}

func (k keptTogether) source() Dataset             { return k.Dataset }
func (k keptTogether) unwrap(i int) (Dataset, int) { return k.Dataset, i }

// Together returns the number of samples, in both parts of [HoldOutGrouped], that have copies under
// other names. It is 0 for other datasets.
func Together(ds Dataset) int {
	for {
		if k, ok := ds.(keptTogether); ok {
			return k.together
		}
		w, ok := ds.(wrapper)
		if !ok {
			return 0
		}
		ds = w.source()
	}
}
