package train

import "time"

// Status says how far a run is. [Options.Observe] gets one after every update of the weights and after every
// evaluation.
type Status struct {
	Progress  // LossSum and the following fields are for the epoch
	Epochs    int
	Steps     int // batches per epoch
	Threads   int
	Loss      float64 // mean since the last record
	LR        float64
	GradNorm  float64
	Speed     float64       // images per second since the last record
	Images    int           // trained by this process
	Waited    time.Duration // time this process waited for data
	Trained   time.Duration // time this process trained, without evaluations
	Remaining time.Duration // estimated
}

// pace is measured over an epoch, or the part that this process trained.
type pace struct {
	images  int
	updates int
	waited  time.Duration
	synced  time.Duration
	took    time.Duration
}

func (p pace) add(q pace) pace {
	return pace{p.images + q.images, p.updates + q.updates, p.waited + q.waited, p.synced + q.synced, p.took + q.took}
}

// complete adds the pace to the record of an epoch.
func (p pace) complete(r *Record) {
	if p.updates == 0 {
		return // resumed just before the evaluation
	}
	r.Waited, r.Synced, r.Trained = p.waited.Seconds(), p.synced.Seconds(), p.took.Seconds()
	if r.Trained > 0 {
		r.Speed = float64(p.images) / r.Trained
	}
}

// observe calls Options.Observe.
func (t *trainer) observe(s Status) {
	if t.observer == nil {
		return
	}
	total := t.total.add(t.pace)
	s.Progress, s.Epochs, s.Steps, s.Threads = t.progress, t.epochs(), t.steps, t.pool.Workers()
	s.Images, s.Waited, s.Trained = total.images, total.waited, total.took
	t.observer(s)
}

// record writes a record to all logs.
func (t *trainer) record(r Record) error {
	if err := t.folder.record(r); err != nil {
		return err
	}
	t.tellLost()
	return t.board.record(r, t.steps)
}
