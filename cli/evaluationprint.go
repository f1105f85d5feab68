package cli

import (
	"os"

	"fasternet/internal/printable"
)

// printComparison describes how two models compare.
func printComparison(v comparison) {
	m, d := v.McNemar, v.Difference
	printable.Fprintf(os.Stdout, "A  %s: top-1 %.2f %%\nB  %s: top-1 %.2f %%\n",
		v.A.Model, v.A.Top1, v.B.Model, v.B.Top1)
	printable.Fprintf(os.Stdout,
		"both right %d, only A right (b) %d, only B right (c) %d, both wrong %d of %s\n", m.Both, m.OnlyA,
		m.OnlyB, m.Neither, printable.Count(m.Images, "image"))
	interval := ""
	if d.Interval != nil {
		interval = printable.Sprintf(" (95 %% interval %.2f to %.2f, %s)",
			d.Interval[0], d.Interval[1], printable.Count(d.Resamples, "resample"))
	}
	printable.Fprintf(os.Stdout, "B minus A: %+.2f points of top-1%s\n", d.Top1, interval)
	if m.Statistic != nil {
		printable.Fprintf(os.Stdout, "McNemar's test (chi-square with continuity correction): %.4f, p = %.4g\n",
			*m.Statistic, m.P)
	} else {
		printable.Fprintf(os.Stdout, "McNemar's test (exact, b + c = %d is below 25): p = %.4g\n", m.Decisive, m.P)
	}
	switch {
	case m.Decisive == 0:
		printable.Fprintf(os.Stdout, "the models are right on the same images\n")
	case m.P < 0.05:
		printable.Fprintf(os.Stdout, "the difference is larger than chance explains (p < 0.05)\n")
	default:
		printable.Fprintf(os.Stdout, "chance may explain the difference (p of 0.05 or more)\n")
	}
}
