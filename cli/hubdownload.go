package cli

import (
	"fmt"
	"time"

	"fasternet/internal/hub"
	"fasternet/train"
)

// newHubClient makes the client with which all commands fetch weights.
func newHubClient() (*hub.Client, error) {
	s, err := hub.Environment()
	if err != nil {
		return nil, err
	}
	return hub.NewClient(s, version, &download{show: display()})
}

// download shows a download: as a bar on a terminal, as lines elsewhere.
type download struct {
	show  *train.Display
	name  string
	began time.Time
	first int64 // bytes that existed at the beginning
	total int64
}

// Begin implements [hub.Observer].
func (d *download) Begin(name string, done, total int64) {
	d.name, d.began, d.first, d.total = name, time.Now(), done, total
	if quiet.Load() {
		return
	}
	text := ""
	if total > 0 {
		text = ", " + hub.Bytes(total)
	}
	if done > 0 {
		text += fmt.Sprintf(", of which %s exist already", hub.Bytes(done))
	}
	d.show.Line("downloading %s%s", name, text)
	if total > 0 {
		d.show.BeginBytes("download", int(done), int(total))
	}
}

// Step implements [hub.Observer].
// End implements [hub.Observer].
func (d *download) Step(done int64) {
	if quiet.Load() || d.total <= 0 {
		return
	}
	speed := ""
	if seconds := time.Since(d.began).Seconds(); seconds > 0.5 {
		speed = hub.Bytes(int64(float64(done-d.first)/seconds)) + "/s"
	}
	d.show.Step(int(done), "download", hub.Bytes(done)+" of "+hub.Bytes(d.total), speed)
}

// End implements [hub.Observer].
func (d *download) End() { d.show.End() }

// Note implements [hub.Observer].
func (d *download) Note(text string) {
	if !quiet.Load() {
		d.show.Line("note: %s", text)
	}
}
