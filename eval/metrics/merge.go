package metrics

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// record is an image in the form that ranks send to each other.
type record struct {
	NLL, Confidence, Brier, Sum float64
	Top                         float32
	Label, Answer, Rank         int32
}

// header comes before the records.
type header struct{ Classes, Images, Stride, Logits int64 }

// MarshalBinary implements encoding.BinaryMarshaler. It writes the images for [Collector.Merge].
func (c *Collector) MarshalBinary() ([]byte, error) {
	var b bytes.Buffer
	b.Grow(32 + len(c.images)*48 + 4*len(c.logits))
	records := make([]record, len(c.images))
	for i, x := range c.images {
		records[i] = record{x.nll, x.confidence, x.brier, x.sum, x.top, x.label, x.answer, x.rank}
	}
	for _, v := range []any{
		header{int64(c.classes), int64(len(c.images)), int64(c.stride), int64(len(c.logits))},
		records,
		c.logits,
	} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	return b.Bytes(), nil
}

// Merge appends the images that another rank has collected. Merging all parts in order gives the
// same figures as one collector that has seen all images. Unless all ranks have kept their logits,
// none are kept.
func (c *Collector) Merge(part []byte) error {
	r := bytes.NewReader(part)
	var h header
	if err := binary.Read(r, binary.LittleEndian, &h); err != nil {
		return fmt.Errorf("metrics: figures of a rank: %w", err)
	}
	const size = 48
	if h.Classes != int64(c.classes) ||
		h.Images < 0 ||
		h.Images > int64(r.Len())/size ||
		h.Logits < 0 ||
		h.Images*size+h.Logits*4 != int64(r.Len()) ||
		h.Stride == 1 && h.Logits != h.Images*h.Classes {
		return fmt.Errorf("metrics: figures of a rank are damaged: %d classes, %d images and %d logits in %d bytes",
			h.Classes, h.Images, h.Logits, len(part))
	}
	records := make([]record, h.Images)
	logits := make([]float32, h.Logits)
	for _, v := range []any{records, logits} {
		if err := binary.Read(r, binary.LittleEndian, v); err != nil {
			return fmt.Errorf("metrics: figures of a rank: %w", err)
		}
	}
	for _, x := range records {
		c.images = append(c.images, image{
			nll:        x.NLL,
			confidence: x.Confidence,
			brier:      x.Brier,
			sum:        x.Sum,
			top:        x.Top,
			label:      x.Label,
			answer:     x.Answer,
			rank:       x.Rank,
		})
	}
	if h.Stride != 1 || c.stride != 1 || len(c.logits)+len(logits) > c.limit {
		c.logits, c.stride = nil, 0
		return nil
	}
	c.logits = append(c.logits, logits...)
	return nil
}
