package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"fasternet/train"
)

// result says how a run ended.
type result struct {
	run
	outcome train.Outcome
	took    time.Duration // of this call: less than the whole run if it was resumed
}

// tables writes accuracies as Markdown: for each family and start the mean and the spread over the
// seeds, and the difference to the start from scratch.
func tables(results []result) string {
	var s strings.Builder
	s.WriteString("| model | starts from | labels | " +
		"top-1 %, mean ± standard deviation (each seed) | against scratch |\n" +
		"|---|---|---|---|---|\n")
	for _, group := range grouped(results) {
		first := group[0]
		mean, spread, all := accuracy(group)
		gain := "–"
		if base := pick(results, first.family, scratch, first.labels); first.start != scratch && len(base) > 0 {
			b, _, _ := accuracy(base)
			gain = fmt.Sprintf("%+.1f points", mean-b)
		}
		fmt.Fprintf(&s, "| %s | %s | %d | %.1f ± %.1f (%s) | %s |\n",
			first.family, first.start, first.labels, mean, spread, all, gain)
	}
	s.WriteString("\n| pre-training | epochs | loss on the test images | time of this call |\n|---|---|---|---|\n")
	for _, r := range results {
		if r.labels > 0 {
			continue
		}
		p := r.outcome.Pretraining()
		fmt.Fprintf(&s, "| %s | %d | %.4f | %v |\n", r.name, p.Epochs, p.LastLoss, r.took.Round(time.Second))
	}
	return s.String()
}

// grouped returns groups of classifiers that differ only in their seed, in the order of the runs.
func grouped(results []result) [][]result {
	var groups [][]result
	for _, r := range results {
		if r.labels == 0 {
			continue
		}
		i := slices.IndexFunc(groups, func(g []result) bool {
			return g[0].family == r.family && g[0].start == r.start && g[0].labels == r.labels
		})
		if i < 0 {
			groups = append(groups, []result{r})
			continue
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

func pick(results []result, family, start string, labels int) []result {
	var out []result
	for _, r := range results {
		if r.family == family && r.start == start && r.labels == labels {
			out = append(out, r)
		}
	}
	return out
}

// accuracy takes the accuracies after the last epoch, so that the test images do not choose an epoch.
// The deviation is the standard deviation of a sample, 0 for one seed.
func accuracy(group []result) (mean, deviation float64, all string) {
	var values []string
	for _, r := range group {
		mean += r.outcome.Last.Top1 / float64(len(group))
		values = append(values, fmt.Sprintf("%.2f", r.outcome.Last.Top1))
	}
	for _, r := range group {
		d := r.outcome.Last.Top1 - mean
		deviation += d * d
	}
	return mean, math.Sqrt(deviation / float64(max(len(group)-1, 1))), strings.Join(values, ", ")
}
