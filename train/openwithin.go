package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"fasternet/internal/progress"
)

// LateError says that a budget was over before the data set was open.
type LateError struct {
	Budget, Took time.Duration
	Task         string // the unfinished part
	Done, Total  int    // files
}

func (e *LateError) Error() string {
	want := ""
	if e.Done > 0 {
		least := max(e.Took.Minutes()*float64(e.Total)/float64(e.Done), e.Budget.Minutes())
		want = fmt.Sprintf("; want %v or more", time.Duration(math.Ceil(2*least))*time.Minute)
	}
	return fmt.Sprintf("a budget of %v is too short: it ended in %s, after %d of %d files%s; "+
		"the next start may be faster, because the system keeps in memory what it has read",
		e.Budget, e.Task, e.Done, e.Total, want)
}

// leastOpening is the time that opening a data set gets from the shortest budget: afterwards it is clearer what the
// budget lacks.
const leastOpening = 5 * time.Second

// OpenWithin opens a data set before the end of a budget that began at some time; 0 is no budget. If it takes longer,
// the error is a [LateError].
func OpenWithin(ctx context.Context, began time.Time, budget time.Duration, open func(context.Context) error) error {
	if budget <= 0 {
		return open(ctx)
	}
	late := &LateError{Budget: budget, Task: "opening the data set"}
	limited, cancel := context.WithDeadlineCause(ctx, began.Add(max(budget, leastOpening)), late)
	defer cancel()
	report := progress.Of(ctx)
	err := open(progress.With(limited, func(task string, done, total int) {
		if limited.Err() == nil {
			late.Task, late.Done, late.Total = task, done, total
		}
		report(task, done, total)
	}))
	if errors.Is(err, late) {
		late.Took = time.Since(began)
	}
	return err
}
