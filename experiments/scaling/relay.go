//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// relay is a switch for tap devices. A frame leaves its host at the rate of the link, travels for the
// delay, and arrives at the rate of the other host's link.
type relay struct {
	rate  float64
	delay time.Duration
	ports []*port
	begun time.Time
}

// port is the link of a host.
type port struct {
	tap  *os.File
	out  chan frame // frames on their way to the host
	full uint64     // frames that were dropped because the queue was full
	once sync.Once
}

type frame struct {
	due  time.Time
	data []byte
}

const (
	headerSize = 10      // of virtio_net_hdr, which says how to cut a large frame
	frameSize  = 1 << 16 // a large frame of TCP, before it is cut
	queue      = 4096    // frames that can be on their way to a host
)

func newRelay(rate float64, delay time.Duration) *relay {
	return &relay{rate: rate, delay: delay}
}

// add makes the interface of a host in its namespace.
func (r *relay) add(namespace string) error {
	type result struct {
		tap *os.File
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread stays in the namespace, and ends
		tap, err := openTap(namespace)
		done <- result{tap, err}
	}()
	got := <-done
	if got.err != nil {
		return got.err
	}
	r.ports = append(r.ports, &port{tap: got.tap, out: make(chan frame, queue)})
	return nil
}

func openTap(namespace string) (*os.File, error) {
	ns, err := os.Open(namespace)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("%s: %w", namespace, err)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(device)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err == nil { // allow frames of many packets in one piece
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("a tap device: %w", err)
	}
	return os.NewFile(uintptr(fd), "tap"), nil
}

func (r *relay) start() {
	r.begun = time.Now()
	for i, p := range r.ports {
		go r.read(i, p)
		go r.write(p)
	}
}

// took returns how long a frame takes on a link.
func (r *relay) took(bytes int) time.Duration {
	if r.rate == 0 {
		return 0
	}
	return time.Duration(float64(bytes) * 8 / r.rate * 1e9)
}

// read reads the frames of a host. It reads the next one when the link is free again, so that the
// host's own queue fills up, as with a real network card.
func (r *relay) read(from int, p *port) {
	table := r.ports
	buffer := make([]byte, headerSize+frameSize)
	free := time.Now()
	for {
		n, err := p.tap.Read(buffer)
		if err != nil {
			return
		}
		if n < headerSize+14 {
			continue
		}
		now := time.Now()
		if free.Before(now) {
			free = now
		}
		free = free.Add(r.took(n - headerSize))
		f := frame{free.Add(r.delay), append([]byte(nil), buffer[:n]...)}
		if to := destination(f.data[headerSize:]); to > 0 && to <= len(table) && to-1 != from {
			table[to-1].put(f)
		} else {
			for i, other := range table {
				if i != from {
					other.put(f)
				}
			}
		}
		if ahead := time.Until(free); ahead > 200*time.Microsecond {
			time.Sleep(ahead)
		}
	}
}

func (p *port) put(f frame) {
	select {
	case p.out <- f:
	default:
		p.full++ // a switch that has no room drops frames
	}
}

// destination returns the host, from 1, to which an IPv4 packet goes; 0 means all or unknown.
func destination(ethernet []byte) int {
	if len(ethernet) < 34 || binary.BigEndian.Uint16(ethernet[12:]) != 0x0800 || ethernet[0]&1 != 0 {
		return 0
	}
	return int(ethernet[33])
}

// write passes frames to a host when they are due.
func (r *relay) write(p *port) {
	free := time.Now()
	for f := range p.out {
		at := f.due
		if free.After(at) {
			at = free
		}
		free = at.Add(r.took(len(f.data) - headerSize))
		if wait := time.Until(at); wait > 0 {
			time.Sleep(wait)
		}
		if _, err := p.tap.Write(f.data); errors.Is(err, os.ErrClosed) {
			return
		}
	}
}

func (r *relay) close() {
	for _, p := range r.ports {
		p.once.Do(func() { _ = p.tap.Close() })
	}
}
