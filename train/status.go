package train

import "time"

// Status is where a run in progress stands. [Options.Observe] gets one after every
// update of the weights and after every evaluation.
type Status struct {
	Progress  // LossSum and what follows are of the epoch
	Epochs    int
	Steps     int // batches of an epoch
	Threads   int
	Loss      float64 // mean since the last record
	LR        float64
	GradNorm  float64
	Speed     float64       // images per second since the last record
	Images    int           // trained by this process
	Waited    time.Duration // for data, by this process
	Trained   time.Duration // by this process, without evaluations
	Remaining time.Duration // estimated
}

// pace is what is measured of an epoch, or of the part that this process trained.
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

// complete fills in what a record of an epoch says of its pace.
func (p pace) complete(r *Record) {
	if p.updates == 0 {
		return // resumed right before the evaluation
	}
	r.Waited, r.Synced, r.Trained = p.waited.Seconds(), p.synced.Seconds(), p.took.Seconds()
	if r.Trained > 0 {
		r.Speed = float64(p.images) / r.Trained
	}
}

// observe hands the status out.
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
