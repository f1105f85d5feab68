// Package progress carries, in a context, how far a long preparation is: from the code that does the
// work to whoever shows it.
package progress

import (
	"context"
	"time"
)

// Report shows that done of total parts of a task are finished. The task is a few words that begin a
// line, such as "looking for copies". The last call has done == total. Calls come from one goroutine
// at a time.
type Report func(task string, done, total int)

type key struct{}

// With returns a context whose preparations report to r.
func With(ctx context.Context, r Report) context.Context {
	return context.WithValue(ctx, key{}, r)
}

// Of returns the function to report to. It is never nil.
func Of(ctx context.Context) Report {
	if r, ok := ctx.Value(key{}).(Report); ok && r != nil {
		return r
	}
	return func(string, int, int) {}
}

// Pause is the time between two reports of a task.
const Pause = 100 * time.Millisecond
