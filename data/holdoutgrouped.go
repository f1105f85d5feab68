package data

import (
	"cmp"
	"context"
	"errors"
	"slices"

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
// Of a [Stamped] dataset only files of the same size are read, and of a [RangedSet] mostly a few
// thousand bytes of each. A file that cannot be read is a copy of none, and one of the faults of both
// parts ([FaultsOf]). Copies with other bytes, such as an image that was saved again in another format,
// are not found here: see [FindCopies].
func HoldOutGrouped(ds Dataset, fraction float64, seed uint64) (train, val Dataset, err error) {
	return HoldOutGroupedContext(context.Background(), ds, fraction, seed)
}

// HoldOutGroupedContext is [HoldOutGrouped] that reports to ctx how far it is (package progress), and
// returns the cause when ctx ends.
func HoldOutGroupedContext(
	ctx context.Context, ds Dataset, fraction float64, seed uint64,
) (train, val Dataset, err error) {
	if err := checkHoldOut(ds, fraction); err != nil {
		return nil, nil, err
	}
	names := make([]string, ds.Len())
	for i := range names {
		names[i] = norm.NFC.String(Key(ds, i))
	}
	groups, unread, err := joined(ctx, ds, names)
	if err != nil {
		return nil, nil, err
	}
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
	return compared{train, together, unread}, compared{val, together, unread}, nil
}

// groupScores gives each sample the score of the first name of its group.
func groupScores(groups []int, names []string, seed uint64) []float64 {
	first := firstNames(groups, names)
	scores := make([]float64, len(groups))
	for i, g := range groups {
		scores[i] = Score(names[first[g]], seed)
	}
	return scores
}

// firstNames finds for each group the sample with the first name.
func firstNames(groups []int, names []string) []int32 {
	first := make([]int32, len(groups))
	for g := range first {
		first[g] = -1
	}
	for i, g := range groups {
		if k := first[g]; k < 0 || names[i] < names[k] {
			first[g] = int32(i)
		}
	}
	return first
}

// countCopies counts the samples of groups with several names.
func countCopies(groups []int, names []string) (n int) {
	first, several := firstNames(groups, names), make([]bool, len(groups))
	for i, g := range groups {
		several[g] = several[g] || names[i] != names[first[g]]
	}
	for _, g := range groups {
		if several[g] {
			n++
		}
	}
	return n
}

// joined numbers the groups of samples that have the same name or the same content. It also lists the
// files that cannot be read.
func joined(ctx context.Context, ds Dataset, names []string) (groups []int, unread []Fault, err error) {
	first, faults, err := findCopies(ctx, ds)
	if err != nil {
		return nil, nil, err
	}
	s := newUnion(ds.Len())
	for i, j := range first {
		s.join(i, int(j))
	}
	order := first // its memory
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(names[a], names[b]) })
	for k := 1; k < len(order); k++ {
		if names[order[k]] == names[order[k-1]] {
			s.join(int(order[k]), int(order[k-1]))
		}
	}
	groups = make([]int, ds.Len())
	for i := range groups {
		groups[i] = s.root(i)
	}
	return groups, faults.All(), nil
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

// compared is a part of a dataset whose files were compared to find copies.
type compared struct {
	Dataset
	together int     // samples that were held out or kept with their copies
	unread   []Fault // files that could not be read
}

func (c compared) source() Dataset             { return c.Dataset }
func (c compared) unwrap(i int) (Dataset, int) { return c.Dataset, i }

// comparedIn returns the part of which a dataset is a view, if its files were compared.
func comparedIn(ds Dataset) (compared, bool) {
	for {
		if c, ok := ds.(compared); ok {
			return c, true
		}
		w, ok := ds.(wrapper)
		if !ok {
			return compared{}, false
		}
		ds = w.source()
	}
}

// Together returns the number of samples, in both parts of [HoldOutGrouped], that have copies under
// other names. It is 0 for other datasets.
func Together(ds Dataset) int {
	c, _ := comparedIn(ds)
	return c.together
}
