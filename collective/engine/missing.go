package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// abortPatience is how long a rank gives rank 0 to print its message, so that a job whose ranks all
// fail prints one message.
const abortPatience = 3 * time.Second

// printing is how long the launcher gets to pass the last message on. learning is how long the ranks
// get at most to learn that the job ends: ranks on one host see each other die, and must know why.
const (
	printing = 200 * time.Millisecond
	learning = 2 * time.Second
)

// note is what a rank tells ranks 0 and 1, which watch, several times a second: where it is. Rank 1
// watches rank 0.
type note struct {
	Rank    int    `json:"r"`
	Entered uint64 `json:"e"` // number of operations so far
	At      string `json:"a"` // Group.Progress

	// The oldest operation that it waits for, if Waiting.
	Waiting bool          `json:"w,omitempty"`
	Number  uint64        `json:"n,omitempty"`
	Kind    kind          `json:"k,omitempty"`
	Count   int           `json:"c,omitempty"`
	Root    int           `json:"b,omitempty"`
	For     time.Duration `json:"f,omitempty"`

	Abort string `json:"x,omitempty"` // why the job should end
	Ends  bool   `json:"z,omitempty"` // the job is about to end
}

// watch finds ranks that hang, and ends the job.
type watch struct {
	e        *engine
	interval time.Duration
	names    atomic.Pointer[[]string] // hosts by rank
	at       atomic.Pointer[string]

	pending []*operation // of this rank, in order
	looked  time.Time    // when it last read notes
	last    time.Time    // when it last sent a note
	awake   time.Time    // from when on it may judge again, after a pause
	heard   []time.Time  // when each rank last sent a note; only on ranks that watch
	notes   []note

	quiet   bool   // the group is being closed
	reason  string // why this rank wants the job to end
	leaving time.Time
	ending  atomic.Bool // the job is about to end, and has said why
}

func newWatch(e *engine) *watch {
	w := &watch{
		e:        e,
		interval: min(250*time.Millisecond, e.options.Timeout/8),
		notes:    make([]note, e.size),
		heard:    make([]time.Time, e.size),
	}
	for r := range w.heard {
		w.heard[r] = time.Now()
	}
	return w
}

func (w *watch) name(rank int) string {
	if hosts := w.names.Load(); hosts != nil {
		return nameOf(rank, *hosts)
	}
	return nameOf(rank, nil)
}

func (w *watch) enter(o *operation) {
	w.pending = append(w.pending, o)
	w.quiet = w.quiet || o.kind == kindQuiet
}

func (w *watch) finish(o *operation) {
	for i, p := range w.pending {
		if p == o {
			w.pending = append(w.pending[:i], w.pending[i+1:]...)
			return
		}
	}
}

// own returns the note of this rank.
func (w *watch) own(now time.Time) note {
	n := note{Rank: w.e.rank, Entered: w.e.entered, Abort: w.reason}
	if at := w.at.Load(); at != nil {
		n.At = *at
	}
	if len(w.pending) > 0 {
		o := w.pending[0]
		n.Waiting, n.Number, n.For = true, o.number, now.Sub(o.since)
		n.Kind, n.Count, n.Root = o.kind, o.count, o.root
	}
	return n
}

// turn reads notes, sends a note and judges, whenever these are due.
func (w *watch) turn(now time.Time) {
	if w.e.size == 1 || w.quiet || now.Sub(w.looked) < w.interval/4 {
		return
	}
	w.looked = now
	w.listen(now)
	if now.Sub(w.last) < w.interval {
		return
	}
	paused := now.Sub(w.last) > w.e.options.Timeout/2 && !w.last.IsZero()
	w.last = now
	own := w.own(now)
	w.notes[w.e.rank], w.heard[w.e.rank] = own, now
	for _, r := range []int{0, 1} {
		if r != w.e.rank {
			w.send(r, own)
		}
	}
	// If this process itself stood still, its knowledge of the others is old: the job may be about
	// to end.
	if paused {
		w.awake = now.Add(w.e.options.Timeout)
		for r := range w.heard {
			w.heard[r], w.notes[r].Waiting = now, false
		}
		for _, o := range w.pending { // it did not really wait during the pause
			o.since = now
		}
	}
	if w.ending.Load() || now.Before(w.awake) {
		return
	}
	if w.reason != "" && now.After(w.leaving) {
		w.end(w.e.rank, w.reason) // rank 0 has not ended the job
		return
	}
	if culprit, text := w.judge(now, own); text != "" {
		w.end(culprit, text)
	}
}

func (w *watch) send(to int, n note) {
	b, err := json.Marshal(n)
	for len(b) > MaxNote && err == nil { // shorten it until the wire takes it
		cut := func(s string) string { return strings.ToValidUTF8(s[:len(s)/2], "") }
		n.At, n.Abort = cut(n.At), cut(n.Abort)
		b, err = json.Marshal(n)
	}
	if err == nil {
		_ = w.e.wire.Note(to, b) // if this fails, the silence of this rank tells the others
	}
}

func (w *watch) listen(now time.Time) {
	for range 100 * w.e.size { // more notes than a rank misses while it stands still
		n, ok := w.hear()
		if !ok {
			return
		}
		if n.Ends {
			w.ending.Store(true)
			w.send(n.Rank, note{Rank: w.e.rank, Ends: true})
			continue
		}
		w.notes[n.Rank], w.heard[n.Rank] = n, now
		if n.Abort != "" && w.e.rank == 0 {
			w.end(n.Rank, n.Abort)
			return
		}
	}
}

// hear returns a note that has arrived.
func (w *watch) hear() (n note, ok bool) {
	for {
		b, err := w.e.wire.Noted()
		if err != nil || b == nil {
			return note{}, false
		}
		if json.Unmarshal(b, &n) == nil && n.Rank >= 0 && n.Rank < w.e.size {
			return n, true
		}
	}
}

// silent names the ranks that have sent nothing for about as long as patience. One rank that stands
// still may hold up others, if their messages to it lie in memory that they share.
func (w *watch) silent(now time.Time, patience time.Duration) (culprit int, text string) {
	culprit = -1
	var more []string
	for r := range w.e.size {
		switch {
		case now.Sub(w.heard[r]) <= patience-min(4*w.interval, patience/2):
		case culprit < 0:
			culprit, text = r, "hangs: "+w.seen(r)
		default:
			more = append(more, w.name(r))
		}
	}
	if len(more) > 0 {
		text += "; nor of " + strings.Join(more, ", ")
	}
	return culprit, text
}

// judge says which rank hangs, or "". Rank 0 judges all others. Rank 1 judges if rank 0 should have
// judged and did not; the other ranks judge if neither did.
func (w *watch) judge(now time.Time, own note) (culprit int, text string) {
	limit := w.e.options.Timeout
	patience := limit + time.Duration(min(w.e.rank, 2))*min(max(limit/10, 2*time.Second), 30*time.Second)
	if w.e.rank > 1 {
		if own.Waiting && own.For > patience {
			return 0, fmt.Sprintf("hangs: %s has waited %s in %s, and neither rank 0 nor rank 1 has ended the job",
				w.name(w.e.rank), rounded(own.For), describe(own.Number, own.Kind, own.Count))
		}
		return 0, ""
	}
	for r := range w.e.size { // a silent rank explains why others wait
		if now.Sub(w.heard[r]) > patience {
			return w.silent(now, patience)
		}
	}
	if w.e.rank == 0 {
		if rank, text := w.differ(); text != "" {
			return rank, text
		}
	}
	for _, n := range w.notes {
		if !n.Waiting || n.For <= patience {
			continue
		}
		missing := -1
		var late []string
		for r, other := range w.notes {
			if other.Entered < n.Number {
				if late = append(late, w.name(r)); missing < 0 {
					missing = r
				}
			}
		}
		what, waited := describe(n.Number, n.Kind, n.Count), rounded(n.For)
		switch {
		case missing < 0:
			return n.Rank, fmt.Sprintf("hangs: it has waited %s in %s, to which all ranks have come: "+
				"the network between them may be broken", waited, what)
		case len(late) == 1:
			return missing, fmt.Sprintf("hangs: it has not come to %s, in which others have waited for %s; %s",
				what, waited, w.seen(missing))
		default:
			return missing, fmt.Sprintf("hangs: it has not come to %s, in which others have waited for %s; "+
				"nor have %s; %s", what, waited, strings.Join(late[1:], ", "), w.seen(missing))
		}
	}
	return 0, ""
}

// differ finds two ranks that wait in different operations with the same number.
func (w *watch) differ() (rank int, text string) {
	first := -1
	for r, n := range w.notes {
		if !n.Waiting {
			continue
		}
		if first < 0 {
			first = r
			continue
		}
		f := w.notes[first]
		sameCount := n.Kind == kindGather || n.Count == f.Count
		same := n.Kind == f.Kind && n.Root == f.Root && sameCount
		if n.Number == f.Number && !same {
			return r, fmt.Sprintf("has come to %s at %s, %s to %s at %s",
				describe(n.Number, n.Kind, n.Count), n.At,
				w.name(first), describe(f.Number, f.Kind, f.Count), f.At)
		}
	}
	return -1, ""
}

// seen says where a rank was last seen.
func (w *watch) seen(rank int) string {
	n := w.notes[rank]
	at := n.At
	if at == "" {
		at = "its start, before any step"
	}
	silent := ""
	if d := w.last.Sub(w.heard[rank]); d > 4*w.interval {
		silent = fmt.Sprintf("; it has given no sign of life for %s", rounded(d))
	}
	if n.Waiting {
		return fmt.Sprintf("it was last seen at %s, in %s%s", at, describe(n.Number, n.Kind, n.Count), silent)
	}
	return fmt.Sprintf("it was last seen at %s, after %d operations%s", at, n.Entered, silent)
}

func rounded(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(100 * time.Millisecond)
}

var errHalt = errors.New("the job has ended")

// abort ends the job for a reason of this rank. Rank 0 does it for the others, and prints only the
// first reason.
func (w *watch) abort(reason error) {
	if reason == nil {
		reason = errors.New("ended")
	}
	if reason == errHalt { //nolint:errorlint // exactly this value
		w.halt(reason)
		return
	}
	if w.e.rank == 0 || w.e.size == 1 {
		w.end(w.e.rank, reason.Error())
		return
	}
	w.reason, w.leaving = reason.Error(), time.Now().Add(abortPatience)
	w.send(0, w.own(time.Now())) // later notes repeat the reason
}

// end prints the message and ends the job.
func (w *watch) end(rank int, text string) {
	if w.ending.Swap(true) {
		w.e.stop(errors.New("the job is about to end"))
		return
	}
	w.e.options.Fail(w.name(rank) + ": " + text)
	w.halt(errors.New("the job has ended: " + w.name(rank) + ": " + text))
}

// halt ends the job. The reason has been printed.
func (w *watch) halt(reason error) {
	w.ending.Store(true)
	know := map[int]bool{w.e.rank: true}
	begin := time.Now()
	for len(know) < w.e.size && time.Since(begin) < learning || time.Since(begin) < printing {
		for r := range w.e.size {
			if !know[r] {
				w.send(r, note{Rank: w.e.rank, Ends: true})
			}
		}
		for range 4 * w.e.size {
			n, ok := w.hear()
			if !ok {
				break
			}
			if n.Ends {
				know[n.Rank] = true
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.e.wire.Abort(1)
	w.e.stop(reason)
}
