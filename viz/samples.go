package viz

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"fasternet/data"
)

// samplesInRow is how many images stand side by side.
const samplesInRow = 8

// Samples draws the first images of an epoch of training as the model sees them:
// augmented, normalised and mixed, in the order of the epoch.
func Samples(ctx context.Context, l *data.Loader, ds data.Dataset, epoch, count int, colours Colours) (*Sheet, error) {
	it := l.Epoch(ctx, epoch, 0)
	defer it.Close()
	s, drawn := &Sheet{}, 0
	for drawn < count {
		b, err := it.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		size := b.Height * b.Width * b.Channels
		for k := 0; k < b.Size && drawn < count; k++ {
			if drawn%samplesInRow == 0 {
				s.Entries = append(s.Entries, Entry{Name: fmt.Sprintf("from image %d of the epoch on", drawn+1), Groups: []Group{{}}})
			}
			row := &s.Entries[len(s.Entries)-1].Groups[0]
			row.Panels = append(row.Panels, Panel{
				Caption: fmt.Sprintf("%s: %s", targetsOf(b, k, ds.Classes()), filepath.Base(ds.Name(b.Indices[k]))),
				Image:   colours.Picture(b.Images[k*size:][:size], b.Height, b.Width, max(1, 128/b.Height)),
			})
			drawn++
		}
	}
	return s, nil
}

// targetsOf says which classes a sample stands for.
func targetsOf(b *data.Batch, k int, classes []string) string {
	row := b.Targets[k*len(b.Targets)/b.Size:][:len(b.Targets)/b.Size]
	name := func(c int) string {
		if c < len(classes) && classes[c] != "" {
			return classes[c]
		}
		return fmt.Sprint(c)
	}
	best, second := 0, -1
	for c, v := range row {
		switch {
		case v > row[best]:
			best, second = c, best
		case c != best && (second < 0 || v > row[second]):
			second = c
		}
	}
	if second < 0 || row[second] < 0.05 {
		return name(best)
	}
	return fmt.Sprintf("%.0f %% %s, %.0f %% %s", 100*row[best], name(best), 100*row[second], name(second))
}
