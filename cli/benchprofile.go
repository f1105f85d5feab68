package cli

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"fasternet/internal/bench"
	"fasternet/internal/printable"
)

// printProfile shows the parts of the whole run, and then each operation with its parts.
func printProfile(r bench.Result) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	printable.Fprintf(w, "pass\tpart\tms\tshare\tGFLOPS\tof peak\tGB/s\t\n")
	for _, p := range r.Sums.Parts {
		printable.Fprintf(w, "%s\t%s\t%.3f\t%.1f %%\t%s\t%s\t%s\t\n",
			p.Pass, p.Part, p.MS, 100*p.Share, gflops(p), ofPeak(p), gbps(p))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	printable.Println()
	printable.Fprintf(w, "operation\tname\tms\tshare\tGFLOPS\tof peak\tGB/s\tcalls\t\n")
	for _, e := range r.Profile {
		printable.Fprintf(w, "%s\t%s\t%.3f\t%.1f %%\t\t\t\t%s\t\n", e.Op, e.Name, e.MS, 100*e.Share, regions(e))
		rest, small := bench.PartEntry{}, 0
		for _, p := range e.Parts {
			if p.MS < e.MS/50 {
				rest.MS += p.MS
				rest.Share += p.Share
				small++
				continue
			}
			printable.Fprintf(w, "\t%s\t%.3f\t%.1f %%\t%s\t%s\t%s\t%s\t\n",
				p.Part, p.MS, 100*p.Share, gflops(p), ofPeak(p), gbps(p), calls(p))
		}
		if small > 0 {
			printable.Fprintf(w, "\t%s below 2 %%\t%.3f\t%.1f %%\t\t\t\t\t\n",
				printable.Count(small, "part"), rest.MS, 100*rest.Share)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	printable.Printf("\nmedians over %s for each part: %.2f ms together; %.0f parallel regions per run, "+
		"with %.2f ms in their longest tasks\n",
		printable.Count(r.Runs, "run"), r.Sums.RunMS, r.Sums.Regions, r.Sums.LongestMS)
	var peaks []string
	for _, in := range []string{"fp32", "bf16"} {
		if v, ok := r.Sums.Peaks[in]; ok {
			peaks = append(peaks, fmt.Sprintf("%s %.0f GFLOPS", in, v))
		}
	}
	if len(peaks) > 0 {
		threads := "one thread"
		if r.Threads > 1 {
			threads = fmt.Sprintf("%d threads", r.Threads)
		}
		printable.Printf("peak of %s: %s\n", threads, strings.Join(peaks, ", "))
	}
	printable.Println()
	return nil
}

func gflops(p bench.PartEntry) string {
	if p.GFLOPS == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", p.GFLOPS)
}

func ofPeak(p bench.PartEntry) string {
	if p.OfPeak == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*p.OfPeak)
}

func gbps(p bench.PartEntry) string {
	if p.GBps == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", p.GBps)
}

func calls(p bench.PartEntry) string {
	if p.Calls == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", p.Calls)
}

func regions(e bench.ProfileEntry) string {
	if e.Regions == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f in %.0f", e.Tasks, e.Regions)
}
