//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// network is the hosts and the switch between them. Host i, from 1, has the name node<i> and the
// address 10.77.0.<i>, and its own namespace.
type network struct {
	hosts  int
	rate   float64 // bits a second; 0 for no limit
	delay  time.Duration
	prefix string // of the names of the namespaces
	dir    string // for files that the launcher needs
	relay  *relay
	made   []string // namespaces
}

// device is the name of a host's interface.
const device = "eth0"

func newNetwork(hosts int, rate float64, delay time.Duration) *network {
	return &network{hosts: hosts, rate: rate, delay: delay, prefix: fmt.Sprintf("fnt%d-", os.Getpid())}
}

func (n *network) host(i int) string    { return n.prefix + strconv.Itoa(i) }
func (n *network) address(i int) string { return fmt.Sprintf("10.77.0.%d", i) }

func (n *network) open() (err error) {
	if n.dir, err = os.MkdirTemp("", "scaling"); err != nil {
		return err
	}
	for i := 1; i <= n.hosts; i++ {
		if err := n.namespace(n.host(i)); err != nil {
			return err
		}
	}
	if n.delay > 0 {
		err = n.tapped()
	} else {
		err = n.bridged()
	}
	if err != nil {
		return err
	}
	for i := 1; i <= n.hosts; i++ {
		for _, args := range [][]string{
			{"link", "set", "lo", "up"},
			{"addr", "add", n.address(i) + "/24", "dev", device},
			{"link", "set", device, "up"},
		} {
			if err := ip(n.host(i), args...); err != nil {
				return err
			}
		}
		// Most machines have these settings; sizes of buffers are also set for each namespace.
		settings := []string{
			"net.ipv4.tcp_congestion_control=cubic",
			"net.ipv4.tcp_rmem=4096 131072 33554432",
			"net.ipv4.tcp_wmem=4096 131072 33554432",
			"net.ipv6.conf.all.disable_ipv6=1",
		}
		for _, s := range settings {
			_ = command("ip", "netns", "exec", n.host(i), "sysctl", "-qw", s) // slower without, not wrong
		}
	}
	return nil
}

func (n *network) namespace(name string) error {
	if err := command("ip", "netns", "add", name); err != nil {
		return err
	}
	n.made = append(n.made, name)
	return nil
}

// bridged joins the hosts by the kernel's bridge, in its own namespace.
func (n *network) bridged() error {
	hub := n.prefix + "switch"
	if err := n.namespace(hub); err != nil {
		return err
	}
	add := ip(hub, "link", "add", "br0", "type", "bridge")
	up := ip(hub, "link", "set", "br0", "up")
	if err := errors.Join(add, up); err != nil {
		return err
	}
	for i := 1; i <= n.hosts; i++ {
		port := "port" + strconv.Itoa(i)
		for _, args := range [][]string{
			{"link", "add", port, "type", "veth", "peer", "name", device, "netns", n.host(i)},
			{"link", "set", port, "master", "br0"},
			{"link", "set", port, "up"},
		} {
			if err := ip(hub, args...); err != nil {
				return err
			}
		}
		if n.rate == 0 {
			continue
		}
		for _, end := range [][2]string{{n.host(i), device}, {hub, port}} {
			// The bucket holds a millisecond of data, but at least two of the largest frames.
			burst := max(128<<10, int(n.rate/8/1000))
			err := command("tc", "-n", end[0], "qdisc", "add", "dev", end[1], "root", "tbf",
				"rate", fmt.Sprintf("%.0fbit", n.rate), "burst", strconv.Itoa(burst), "latency", "20ms")
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// tapped joins the hosts by the relay.
func (n *network) tapped() error {
	n.relay = newRelay(n.rate, n.delay)
	for i := 1; i <= n.hosts; i++ {
		if err := n.relay.add(filepath.Join("/run/netns", n.host(i))); err != nil {
			return err
		}
	}
	n.relay.start()
	return nil
}

// close removes everything, and kills processes that still run in the namespaces.
func (n *network) close() {
	for _, name := range n.made {
		out, _ := exec.Command("ip", "netns", "pids", name).Output()
		for _, pid := range strings.Fields(string(out)) {
			if p, err := strconv.Atoi(pid); err == nil && p != os.Getpid() {
				_ = syscall.Kill(p, syscall.SIGKILL)
			}
		}
	}
	if n.relay != nil {
		n.relay.close()
	}
	for _, name := range n.made {
		if err := command("ip", "netns", "del", name); err != nil {
			fmt.Fprintln(os.Stderr, "scaling:", err)
		}
	}
	if n.dir != "" {
		_ = os.RemoveAll(n.dir)
	}
}

// ip runs ip in a namespace.
func ip(namespace string, args ...string) error {
	return command("ip", append([]string{"-n", namespace}, args...)...)
}

func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
