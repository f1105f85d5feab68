package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"fasternet/checkpoints"
)

// Checkpoints returns the folder of a run's checkpoints. It finds the newest one by its progress: that may be
// the best one, which is written before the last.
func Checkpoints(dir string) checkpoints.Folder {
	return checkpoints.Folder{Dir: CheckpointDir(dir), Position: Position}
}

// Position reads from its metadata how far the run of a checkpoint was (see checkpoints.Folder).
func Position(meta map[string]string) int64 {
	p, err := progressOf(meta)
	if err != nil {
		return 0
	}
	return int64(p.Epoch)<<32 | int64(p.Step)
}

func progressOf(meta map[string]string) (p Progress, err error) {
	if err := json.Unmarshal([]byte(meta[ProgressKey]), &p); err != nil {
		return p, fmt.Errorf("the checkpoint's progress: %w", err)
	}
	return p, nil
}

// scoreOf returns the evaluation of the state in a checkpoint; nil if it was not evaluated.
func scoreOf(meta map[string]string) *Score {
	p, err := progressOf(meta)
	if err != nil || p.Step > 0 || p.Epoch != p.Last.Epoch+1 {
		return nil
	}
	return &p.Last
}

// same reports whether two scores come from one evaluation. A summary tells no more than this.
func (s Score) same(as Score) bool {
	return s.Epoch == as.Epoch && s.Top1 == as.Top1 && s.MAP == as.MAP && s.Loss == as.Loss
}

// holds reports whether a checkpoint has the state with a score.
func (s Score) holds(k kept) bool { return s.same(k.Score) }

// words describes a score in a message.
func (s Score) words(monitor string) string {
	if byLoss(monitor) {
		return fmt.Sprintf("epoch %d, loss %.4f", s.Epoch+1, s.Loss)
	}
	if monitor == "map" {
		return fmt.Sprintf("epoch %d, mAP %.2f %%", s.Epoch+1, s.MAP)
	}
	return fmt.Sprintf("epoch %d, top-1 %.2f %%", s.Epoch+1, s.Top1)
}

// kept is a checkpoint of an evaluated state.
type kept struct {
	name string
	Score
}

// shelf holds the evaluated states that are in the folder of a run.
type shelf struct {
	folder  checkpoints.Folder
	monitor string
	states  []kept
	show    *Display
}

// settle brings the best checkpoint and the checkpoints of epochs in line with the progress, for a resumed
// run and at the end of a run. Files may be missing or damaged, a process may have been killed between two
// of them, and checkpoint.monitor may have changed. If the weights of the best epoch are lost, the next
// best replace them.
func (t *trainer) settle() error {
	s, err := t.shelf()
	if err == nil {
		err = s.check(checkpoints.Best)
	}
	if err == nil && t.progress.Best != nil {
		err = t.settleBest(s)
	}
	if err == nil {
		err = t.settleEpochs(s)
	}
	return err
}

// measuredOtherwise reports whether a resumed run had another checkpoint.monitor.
func (t *trainer) measuredOtherwise() bool {
	return t.was != nil && t.was.Checkpoint.Monitor != t.config.Checkpoint.Monitor
}

// remeasure counts the evaluations without a better one again, by the new measure.
func (t *trainer) remeasure() {
	if t.was == nil || !t.measuredOtherwise() && t.was.Train.MinDelta == t.config.Train.MinDelta {
		return
	}
	scores, err := t.folder.Scores()
	if err != nil {
		t.show.Line("warning: train.patience counts only from here: %v", err)
	}
	t.progress.recount(scores, t.config.Checkpoint.Monitor, t.config.Train.MinDelta)
}

// settleBest does this for the best checkpoint.
func (t *trainer) settleBest(s *shelf) error {
	p, monitor := &t.progress, t.config.Checkpoint.Monitor
	best := *p.Best
	candidates := append(slices.Clone(p.TopK), p.Last)
	if t.measuredOtherwise() { // the best epoch by the new measure may not have been kept
		if logged, err := t.folder.Scores(); err == nil {
			candidates = append(candidates, logged...)
		}
	}
	for _, other := range candidates {
		if other.Better(best, monitor) {
			best = other
		}
	}
	if !best.same(*p.Best) {
		t.show.Line("with checkpoint.monitor %s the best is now %s; it was %s",
			monitor, best.words(monitor), p.Best.words(monitor))
	}
	from, err := s.take(best)
	if err == nil && from == nil {
		if from, err = s.best(); from != nil {
			t.show.Line("warning: the best weights (%s) are lost: %s is now the best",
				best.words(monitor), from.words(monitor))
		}
	}
	if err != nil {
		return err
	}
	if from == nil {
		t.show.Line("warning: the best weights (%s) are lost, and no other evaluated ones are left: "+
			"the next evaluation counts as the best",
			best.words(monitor))
		p.Best = nil
		if err := s.folder.PutAside(checkpoints.Best); !errors.Is(err, fs.ErrNotExist) { // it belongs to an older run
			return err
		}
		return nil
	}
	p.Best = &from.Score
	return s.write(*from, checkpoints.Best)
}

// confirm checks at the end of a run that its last and its best checkpoint exist.
func (t *trainer) confirm() error {
	if t.folder == nil || t.progress.Batches == 0 {
		return nil
	}
	f := t.folder.Checkpoints
	if _, err := os.Stat(f.Path(checkpoints.Last)); errors.Is(err, fs.ErrNotExist) {
		if err := t.folder.SaveLast(t.state()); err != nil {
			return err
		}
	}
	if t.progress.Best == nil {
		return nil
	}
	meta, err := checkpoints.ReadMeta(f.Path(checkpoints.Best))
	if err == nil {
		if s := scoreOf(meta); s != nil && s.same(*t.progress.Best) {
			return nil
		}
	}
	return t.settle()
}

// settleEpochs does this for the checkpoints of epochs.
func (t *trainer) settleEpochs(s *shelf) error {
	p := &t.progress
	var left []Score
	for _, score := range p.TopK {
		name := checkpoints.Epoch(score.Epoch)
		if !slices.ContainsFunc(s.states, func(k kept) bool { return k.name == name && k.same(score) }) {
			from, err := s.take(score)
			if err != nil {
				return err
			}
			if from == nil {
				t.show.Line("warning: %s, one of the best epochs (checkpoint.top_k), is lost", name)
				continue
			}
			if err := s.write(*from, name); err != nil {
				return err
			}
		}
		left = append(left, score)
	}
	slices.SortStableFunc(left, func(a, b Score) int {
		switch {
		case a.Better(b, s.monitor):
			return -1
		case b.Better(a, s.monitor):
			return 1
		}
		return 0
	})
	p.TopK = left
	return nil
}

// shelf lists the states by the headers of the files. It leaves out states that the log does not know, because
// the run has taken another way since.
func (t *trainer) shelf() (*shelf, error) {
	s := &shelf{folder: t.folder.Checkpoints, monitor: t.config.Checkpoint.Monitor, show: t.show}
	history := append(slices.Clone(t.progress.TopK), t.progress.Last)
	if t.progress.Best != nil {
		history = append(history, *t.progress.Best)
	}
	if logged, err := t.folder.Scores(); err == nil {
		history = append(history, logged...)
	}
	names := s.folder.Names()
	if i := slices.Index(names, checkpoints.Best); i >= 0 { // check it first
		names = append([]string{checkpoints.Best}, slices.Delete(names, i, i+1)...)
	}
	for _, name := range names {
		meta, err := checkpoints.ReadMeta(s.folder.Path(name))
		if err != nil {
			return nil, err
		}
		if score := scoreOf(meta); score != nil && slices.ContainsFunc(history, score.same) {
			s.states = append(s.states, kept{name, *score})
		}
	}
	return s, nil
}

// check reads a file to its end. It puts a damaged file aside and takes it off the shelf.
func (s *shelf) check(name string) error {
	_, err := checkpoints.Read(s.folder.Path(name))
	if err == nil {
		return nil
	}
	s.states = slices.DeleteFunc(s.states, func(k kept) bool { return k.name == name })
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, checkpoints.ErrDamaged):
		s.show.Line("warning: %v", err)
		return s.folder.PutAside(name)
	}
	return err
}

// take finds an undamaged checkpoint with a score; nil if there is none.
func (s *shelf) take(score Score) (*kept, error) {
	for {
		i := slices.IndexFunc(s.states, score.holds)
		if i < 0 {
			return nil, nil
		}
		found := s.states[i]
		if found.name == checkpoints.Best { // already checked
			return &found, nil
		}
		if err := s.check(found.name); err != nil {
			return nil, err
		}
		if i < len(s.states) && s.states[i] == found {
			return &found, nil
		}
	}
}

// best returns the undamaged checkpoint with the best score; nil if there is none.
func (s *shelf) best() (*kept, error) {
	for len(s.states) > 0 {
		top := s.states[0].Score
		for _, k := range s.states {
			if k.Better(top, s.monitor) {
				top = k.Score
			}
		}
		if found, err := s.take(top); found != nil || err != nil {
			return found, err
		}
	}
	return nil, nil
}

// write copies a checkpoint to another name, unless it has that name.
func (s *shelf) write(from kept, name string) error {
	if from.name == name {
		return nil
	}
	s.show.Line("writing %s again from %s, which has the same weights (%s)", name, from.name, from.words(s.monitor))
	if err := s.folder.Copy(from.name, name); err != nil {
		return err
	}
	s.states = append(slices.DeleteFunc(s.states, func(k kept) bool { return k.name == name }), kept{name, from.Score})
	return nil
}

// CheckBest says how the best checkpoint of a run differs from the best epoch in the summary; "" if it does
// not, or if there is no summary.
func CheckBest(dir, monitor string) string {
	scores, err := (&Folder{Dir: dir}).Scores()
	if err != nil || len(scores) == 0 {
		return ""
	}
	best := scores[0]
	for _, s := range scores {
		if s.Better(best, monitor) {
			best = s
		}
	}
	meta, err := checkpoints.ReadMeta(Checkpoints(dir).Path(checkpoints.Best))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("%s is missing (%s)", checkpoints.Best, best.words(monitor))
	case err != nil: // reported with the damaged ones
		return ""
	}
	// If several are equal, an older version kept the first.
	if s := scoreOf(meta); s == nil || !slices.ContainsFunc(scores, s.same) || best.value(monitor) > s.value(monitor) {
		return fmt.Sprintf("%s is not from the best epoch in the log (%s)", checkpoints.Best, best.words(monitor))
	}
	return ""
}
