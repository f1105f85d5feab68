package viz

import (
	"context"
	"errors"
	"fmt"
	"io"

	"fasternet/data"
)

// Samples draws the first images of an epoch of training as the model sees them:
// augmented, normalised and mixed, in the order of the epoch.
func Samples(ctx context.Context, l *data.Loader, ds data.Dataset, epoch, count int, colours Colours) (*Sheet, error) {
	it := l.Epoch(ctx, epoch, 0)
	defer it.Close()
	s := &Sheet{}
	for len(s.Entries) < count {
		b, err := it.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		size := b.Height * b.Width * b.Channels
		for k := 0; k < b.Size && len(s.Entries) < count; k++ {
			picture := colours.Picture(b.Images[k*size:][:size], b.Height, b.Width, max(1, 128/b.Height))
			s.Entries = append(s.Entries, Entry{
				Name: ds.Name(b.Indices[k]),
				Groups: []Group{{Title: targetsOf(b, k, ds.Classes()), Panels: []Panel{
					{Title: "sample", Image: picture},
				}}},
			})
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
