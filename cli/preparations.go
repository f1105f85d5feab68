package cli

import (
	"fmt"
	"time"

	"fasternet/train"
)

// preparations shows how far a long preparation is, such as a search for copies in a large folder: as a bar on a
// terminal, as lines elsewhere. It says nothing about a short one.
type preparations struct {
	show         *train.Display
	task         string
	began, shown time.Time
	now          func() time.Time
}

const (
	shortPreparation = 2 * time.Second
	betweenLines     = 15 * time.Second
)

// report is a progress.Report.
func (p *preparations) report(task string, done, total int) {
	now := p.now()
	switch {
	case quiet.Load():
		return
	case done >= total:
		if !p.shown.IsZero() {
			p.show.End()
		}
		p.task, p.shown = "", time.Time{}
		return
	case task != p.task:
		p.task, p.began, p.shown = task, now, time.Time{}
	}
	if now.Sub(p.began) < shortPreparation {
		return
	}
	if p.show == nil {
		p.show = display()
	}
	if p.shown.IsZero() {
		p.show.Begin(task, done, total)
	}
	p.show.Step(done, task)
	if now.Sub(p.shown) >= betweenLines {
		p.show.Plain(fmt.Sprintf("%s: %d of %d", task, done, total))
		p.shown = now
	}
}
