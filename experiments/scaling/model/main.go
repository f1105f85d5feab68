// Command model predicts the efficiency of training on many machines, from the time of a step on one
// machine and the speed of the network. docs/internals/scaling.md compares it with measurements.
//
//	go run ./experiments/scaling/model -step 235ms -mib 14.9
//	go run ./experiments/scaling/model -step 272ms -mib 14.9 -ranks 2,4 -gbit 1 -delay 1ms
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	var s Step
	var n Network
	flag.DurationVar(&s.Alone, "step", 235*time.Millisecond, "time of a step without sums")
	flag.Float64Var(&s.MiB, "mib", 14.9, "size of the gradients in MiB")
	flag.Float64Var(&s.Window, "window", 0.6,
		"share of a step that is left when the first bucket of gradients is complete")
	flag.DurationVar(&n.Delay, "delay", 20*time.Microsecond, "delay of the network in one direction")
	flag.DurationVar(&n.Message, "message", 5*time.Microsecond,
		"processor time of a message, for its sender and its receiver")
	flag.Float64Var(&n.Share, "share", 0.9, "share of the rate of a link that arrives as data")
	flag.DurationVar(&n.Carry, "carry", 700*time.Microsecond,
		"time of all processors of a machine for each MiB that it sends")
	ranks := flag.String("ranks", "8,64,512", "numbers of ranks, one per machine")
	rates := flag.String("gbit", "10,25,100", "rates of a machine's link in Gbit/s, each direction")
	flag.Parse()
	err := s.check(n)
	if err == nil {
		err = table(s, n, *ranks, *rates)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "model:", err)
		os.Exit(2)
	}
}

func table(s Step, n Network, ranks, rates string) error {
	counts, err := numbers("-ranks", ranks)
	if err != nil {
		return err
	}
	gbits, err := numbers("-gbit", rates)
	if err != nil {
		return err
	}
	fmt.Println("| ranks | Gbit/s | ms per step | on its way, ms | waited for, ms | taken, ms | efficiency |")
	fmt.Println("|---:|---:|---:|---:|---:|---:|---:|")
	for _, c := range counts {
		for _, g := range gbits {
			n.Gbit = g
			e := s.On(int(c), n)
			fmt.Printf("| %d | %g | %.0f | %.1f | %.1f | %.1f | %.0f %% |\n",
				int(c), g, ms(e.Step), ms(e.Transfer), ms(e.Waited), ms(e.Taken), 100*e.Efficiency)
		}
	}
	return nil
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

func numbers(name, list string) (out []float64, err error) {
	for _, text := range strings.Split(list, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || !(v > 0) {
			return nil, fmt.Errorf("%s: want numbers above 0 with commas between them, got %q", name, text)
		}
		out = append(out, v)
	}
	return out, nil
}
