//go:build linux

// Command scaling runs ranks of MPI on separate hosts. The hosts are network namespaces of this
// machine, joined by a switch with a given rate and delay. So it measures what a network costs,
// without one.
//
//	go run ./experiments/scaling -hosts 4 -rate 1gbit -delay 1ms -- \
//		./fasternet-train bench fasternet_t0 --train --batch 8
//
// It must run as root, and needs ip and tc (Debian: iproute2) and Open MPI or MPICH. Addresses and
// names exist only in those namespaces; nothing is routed anywhere else. Everything is removed at the
// end, even after an interrupt.
//
// Without a delay the switch is the kernel's: veth, a bridge, and token buckets (tbf) in both
// directions. A delay needs the queueing discipline netem, which kernels often lack. So with a delay
// the switch is this program: it holds frames between tap devices as long as a network with that
// rate and delay would take. This costs processor time, which the ranks do not get.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "scaling:", err)
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() > 0 {
			os.Exit(exit.ExitCode())
		}
		os.Exit(1)
	}
}

func run() error {
	hosts := flag.Int("hosts", 2, "hosts, one rank each")
	rate := flag.String("rate", "1gbit", "rate of a host's link in each direction, as 1gbit or 250mbit; 0 for no limit")
	delay := flag.Duration("delay", 0, "delay of the network in each direction")
	launcher := flag.String("mpi", "openmpi", "openmpi or mpich")
	limit := flag.Duration("limit", 2*time.Minute, "time after which the ranks are ended")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: scaling [flags] -- PROGRAM [ARGUMENTS]")
		flag.PrintDefaults()
	}
	flag.Parse()
	bits, err := parseRate(*rate)
	switch {
	case err != nil:
		return err
	case *hosts < 1 || *hosts > 64:
		return fmt.Errorf("-hosts: want 1 to 64, got %d", *hosts)
	case *delay < 0 || *delay > time.Second:
		return fmt.Errorf("-delay: want 0 to 1s, got %v", *delay)
	case *limit <= 0 || *limit > time.Hour:
		return fmt.Errorf("-limit: want up to 1h, got %v", *limit)
	case flag.NArg() == 0:
		return errors.New("want a program to run after --")
	case os.Geteuid() != 0:
		return errors.New("network namespaces need root: run it as root")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()

	n := newNetwork(*hosts, bits, *delay)
	defer n.close()
	if err := n.open(); err != nil {
		return err
	}
	err = n.launch(ctx, *launcher, flag.Args())
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("the ranks have not ended within %v", *limit)
	}
	return err
}

// parseRate reads 1gbit, 2.5gbit, 100mbit; 0 means no limit.
func parseRate(s string) (bitsPerSecond float64, err error) {
	if s == "0" {
		return 0, nil
	}
	number, factor := s, 1.0
	if n, ok := strings.CutSuffix(s, "gbit"); ok {
		number, factor = n, 1e9
	} else if n, ok := strings.CutSuffix(s, "mbit"); ok {
		number, factor = n, 1e6
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || factor == 1 || !(v > 0 && v*factor <= 1e12) {
		return 0, fmt.Errorf("-rate: want a number with mbit or gbit, got %q", s)
	}
	return v * factor, nil
}
