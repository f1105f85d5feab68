package data

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
)

// HoldOutFold divides a dataset into folds and holds one of them out, counted from 1. Every
// sample is in one fold, and each fold has its share of every class: without groups the
// counts of a class differ by one at most.
//
// Samples stay together if they have the same name or the same content. They also stay together if
// the pattern, a regular expression, finds the same text in their names: the text of its first
// group, if it has one. The larger groups are dealt out first, each to the fold that has the fewest
// samples of its classes. The seed and the names decide between equals, so the folds are the
// same on every machine, in whatever order the samples are. It is an error when a fold is
// empty, or when training is left without one of the classes.
func HoldOutFold(ds Dataset, fold, folds int, seed uint64, pattern string) (train, val Dataset, err error) {
	return HoldOutFoldContext(context.Background(), ds, fold, folds, seed, pattern)
}

// HoldOutFoldContext is [HoldOutFold] that reports to ctx how far it is (package progress), and returns
// the cause when ctx ends.
func HoldOutFoldContext(
	ctx context.Context, ds Dataset, fold, folds int, seed uint64, pattern string,
) (train, val Dataset, err error) {
	if folds < 2 || fold < 1 || fold > folds {
		return nil, nil, fmt.Errorf("data: there is no fold %d of %d", fold, folds)
	}
	if _, err := CountClasses(ds); err != nil {
		return nil, nil, err
	}
	of, unread, err := foldsOf(ctx, ds, folds, seed, pattern)
	if err != nil {
		return nil, nil, err
	}
	var kept, held []int
	left := make([]bool, len(ds.Classes()))
	for i := range ds.Len() {
		if of[i] == fold-1 {
			held = append(held, i)
		} else {
			kept = append(kept, i)
			for _, c := range LabelSet(ds, i) {
				left[c] = true
			}
		}
	}
	if len(held) == 0 || len(kept) == 0 {
		return nil, nil, fmt.Errorf("data: fold %d of %d has %d of the %d images: use fewer folds, or smaller groups",
			fold, folds, len(held), ds.Len())
	}
	for _, i := range held {
		for _, c := range LabelSet(ds, i) {
			if !left[c] {
				return nil, nil, fmt.Errorf("data: all images of class %q are in fold %d of %d, "+
					"so that none is left to train on: use smaller groups, or more images",
					ds.Classes()[c], fold, folds)
			}
		}
	}
	return compared{Subset(ds, kept), 0, unread}, compared{Subset(ds, held), 0, unread}, nil
}

// group is a set of samples that stay together.
type group struct {
	rows    []int
	score   float64 // of the smallest name
	name    string
	classes map[int]int // number of samples of each class
}

// foldsOf returns the fold of each sample, from 0, and lists the files that cannot be read.
func foldsOf(
	ctx context.Context, ds Dataset, folds int, seed uint64, pattern string,
) (of []int, unread []Fault, err error) {
	groups, unread, err := groupsOf(ctx, ds, seed, pattern)
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(
			cmp.Compare(len(b.rows), len(a.rows)),
			cmp.Compare(a.score, b.score),
			cmp.Compare(a.name, b.name),
		)
	})
	of = make([]int, ds.Len())
	counts, sizes := make([]map[int]int, folds), make([]int, folds)
	for f := range counts {
		counts[f] = map[int]int{}
	}
	for _, g := range groups {
		best, least := 0, 0
		for f := range folds {
			has := 0
			for c, n := range g.classes {
				has += n * counts[f][c]
			}
			if f == 0 || has < least || has == least && sizes[f] < sizes[best] {
				best, least = f, has
			}
		}
		for _, i := range g.rows {
			of[i] = best
		}
		for c, n := range g.classes {
			counts[best][c] += n
		}
		sizes[best] += len(g.rows)
	}
	return of, unread, nil
}

// groupsOf finds the samples that stay together, and lists the files that cannot be read.
func groupsOf(
	ctx context.Context, ds Dataset, seed uint64, pattern string,
) (groups []*group, unread []Fault, err error) {
	find, err := regexp.Compile(pattern)
	if err != nil {
		return nil, nil, fmt.Errorf("data: %w", err)
	}
	names := make([]string, ds.Len())
	for i := range names {
		names[i] = Key(ds, i)
	}
	same, unread, err := joined(ctx, ds, names)
	if err != nil {
		return nil, nil, err
	}
	u := newUnion(ds.Len())
	for i, g := range same {
		u.join(i, g)
	}
	byPattern := map[string]int{}
	for i, name := range names {
		m := find.FindStringSubmatch(name)
		if pattern == "" || m == nil {
			continue
		}
		text := m[min(1, len(m)-1)]
		if j, there := byPattern[text]; there {
			u.join(i, j)
		}
		byPattern[text] = i
	}
	byRoot := map[int]*group{}
	for i, name := range names {
		r := u.root(i)
		g := byRoot[r]
		if g == nil {
			g = &group{name: name, classes: map[int]int{}}
			byRoot[r] = g
			groups = append(groups, g)
		}
		g.rows = append(g.rows, i)
		for _, c := range LabelSet(ds, i) {
			g.classes[c]++
		}
		g.name = min(g.name, name)
	}
	for _, g := range groups {
		g.score = Score(g.name, seed)
	}
	return groups, unread, nil
}
