package probe_test

import (
	"cmp"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fasternet/eval/probe"
)

// voted computes k-NN by its definition, in float64, with all similarities.
func voted(train, val *probe.Set, k int, temperature float64) probe.Votes {
	unit := func(s *probe.Set, i int) []float64 {
		out, sum := make([]float64, s.Width), 0.0
		for j, v := range s.Values[i*s.Width : (i+1)*s.Width] {
			out[j] = float64(v)
			sum += out[j] * out[j]
		}
		for j := range out {
			out[j] /= max(math.Sqrt(sum), 1e-12)
		}
		return out
	}
	type answer struct {
		class int
		votes float64
	}
	var top1, top5 float64
	for i, label := range val.Labels {
		q := unit(val, i)
		similar, order := make([]float64, train.Len()), make([]int, train.Len())
		for n := range similar {
			order[n] = n
			for j, v := range unit(train, n) {
				similar[n] += v * q[j]
			}
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(similar[b], similar[a]) })
		sums := map[int]float64{}
		for _, n := range order[:k] {
			sums[train.Labels[n]] += math.Exp((similar[n] - similar[order[0]]) / temperature)
		}
		var answers []answer
		for class, v := range sums {
			answers = append(answers, answer{class, v})
		}
		slices.SortFunc(answers, func(a, b answer) int {
			return cmp.Or(cmp.Compare(b.votes, a.votes), cmp.Compare(a.class, b.class))
		})
		rank := slices.IndexFunc(answers, func(a answer) bool { return a.class == label })
		if rank == 0 {
			top1++
		}
		if rank >= 0 && rank < 5 {
			top5++
		}
	}
	n := float64(val.Len())
	return probe.Votes{K: k, Top1: 100 * top1 / n, Top5: 100 * top5 / n}
}

func TestKNNReference(t *testing.T) {
	for _, c := range []struct {
		images, queries, width, classes int
		temperature                     float64
		ks                              []int
	}{
		{700, 150, 19, 7, 0.07, []int{1, 3, 10, 200, 700}},
		{33, 65, 1, 12, 1, []int{2, 33}},
		{8300, 70, 5, 30, 0.5, []int{5, 100}}, // more images than are packed at a time
		{50, 40, 64, 2, 1e-4, []int{50}},      // exp(cosine/temperature) is not finite
	} {
		train, val := cloud(1, c.images, c.width, c.classes, 1.5), cloud(2, c.queries, c.width, c.classes, 1.5)
		for j := range 3 * c.width { // zero features are similar to nothing
			val.Values[j] = 0
		}
		var want []probe.Votes
		for _, k := range c.ks {
			want = append(want, voted(train, val, k, c.temperature))
		}
		var first []probe.Votes
		for _, workers := range []int{1, 2, 5} {
			unordered := append(slices.Clone(c.ks), c.ks[0])
			slices.Reverse(unordered)
			got, err := probe.KNN(t.Context(), newPool(t, workers), train, val,
				probe.KNNOptions{K: unordered, Temperature: c.temperature})
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = got
			}
			if !reflect.DeepEqual(got, first) {
				t.Errorf("%d workers: %v, one: %v", workers, got, first)
			}
		}
		if !reflect.DeepEqual(first, want) {
			t.Errorf("%d images: got %v, want %v", c.images, first, want)
		}
	}
}

func TestKNNSeparable(t *testing.T) {
	got, err := probe.KNN(t.Context(), newPool(t, 2), cloud(1, 300, 24, 10, 0.05), cloud(2, 100, 24, 10, 0.05),
		probe.KNNOptions{K: []int{1, 20}, Temperature: probe.Temperature})
	if err != nil || got[0].Top1 != 100 || got[1].Top1 != 100 || got[1].Top5 != 100 {
		t.Errorf("%v, %v", got, err)
	}
}

// Of equal neighbours the first counts, of equal classes the first wins, and a class without a
// vote is not an answer.
func TestKNNTies(t *testing.T) {
	train := &probe.Set{Width: 1, Classes: names(3), Labels: []int{2, 1, 1, 0}, Values: []float32{1, 1, 2, 3}}
	val := &probe.Set{Width: 1, Classes: names(3), Labels: []int{2, 1, 0}, Values: []float32{1, 1, 1}}
	got, err := probe.KNN(t.Context(), newPool(t, 2), train, val,
		probe.KNNOptions{K: []int{1, 2, 3, 4}, Temperature: 1})
	third := 100.0 / 3
	want := []probe.Votes{
		{K: 1, Top1: third, Top5: third},
		{K: 2, Top1: third, Top5: 2 * third},
		{K: 3, Top1: third, Top5: 2 * third},
		{K: 4, Top1: third, Top5: 100},
	}
	if err != nil || len(got) != 4 {
		t.Fatalf("%v, %v", got, err)
	}
	for i, v := range got {
		if v.K != want[i].K || math.Abs(v.Top1-want[i].Top1) > 1e-9 || math.Abs(v.Top5-want[i].Top5) > 1e-9 {
			t.Errorf("got %v, want %v", v, want[i])
		}
	}
}

func TestKNNBadOptions(t *testing.T) {
	train, val := cloud(1, 12, 4, 3, 1), cloud(2, 12, 4, 3, 1)
	for _, c := range []struct {
		want        string
		temperature float64
		ks          []int
	}{
		{"13 neighbours, but there are only 12 training images", 1, []int{1, 13}},
		{"0 neighbours", 1, []int{3, 0}},
		{"no number of neighbours", 1, nil},
		{"temperature 0", 0, []int{1}},
		{"temperature -0.07", -0.07, []int{1}},
		{"temperature NaN", math.NaN(), []int{1}},
		{"temperature +Inf", math.Inf(1), []int{1}},
	} {
		_, err := probe.KNN(t.Context(), newPool(t, 1), train, val,
			probe.KNNOptions{K: c.ks, Temperature: c.temperature})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
