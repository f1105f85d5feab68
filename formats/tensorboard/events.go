package tensorboard

import (
	"bytes"
	"fmt"
	"image/png"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of TensorFlow's messages that this package writes.
const (
	timeField    = 1 // of Event
	stepField    = 2
	versionField = 3
	summaryField = 5
	sessionField = 7

	valueField = 1 // of Summary

	tagField       = 1 // of Summary.Value
	scalarField    = 2
	imageField     = 4
	histogramField = 5
)

// sessionStart is a SessionLog whose status is START.
var sessionStart = protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1)

// Scalar is a value with a name. A "/" in the name makes groups in TensorBoard.
type Scalar struct {
	Tag   string
	Value float64
}

// Scalars writes values for a step.
func (w *Writer) Scalars(step int64, values ...Scalar) error {
	var summary []byte
	for _, v := range values {
		number := math.Float32bits(float32(v.Value))
		field := protowire.AppendFixed32(protowire.AppendTag(nil, scalarField, protowire.Fixed32Type), number)
		summary = appendValue(summary, v.Tag, field)
	}
	return w.write(w.event(step, summaryField, summary))
}

// PNG writes a picture for a step. content is a PNG file.
func (w *Writer) PNG(step int64, tag string, content []byte) error {
	c, err := png.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("tensorboard: %s: %w", tag, err)
	}
	const height, width, colours, encoded, rgb = 1, 2, 3, 4, 3
	image := appendInt(nil, height, c.Height)
	image = appendInt(image, width, c.Width)
	image = appendInt(image, colours, rgb)
	image = appendBytes(image, encoded, content)
	return w.write(w.event(step, summaryField, appendValue(nil, tag, appendBytes(nil, imageField, image))))
}

// bins is the number of bars of a histogram. TensorBoard draws 30.
const bins = 64

// Histogram writes how values are distributed between the smallest and the largest. It leaves out
// NaN and infinite values. If no others are left, it writes nothing.
func (w *Writer) Histogram(step int64, tag string, values []float32) error {
	low, high := math.Inf(1), math.Inf(-1)
	var sum, squares, count float64
	for _, v := range values {
		x := float64(v)
		if math.IsNaN(x) || math.IsInf(x, 0) {
			continue
		}
		low, high = min(low, x), max(high, x)
		sum, squares, count = sum+x, squares+x*x, count+1
	}
	if count == 0 {
		return nil
	}
	counts := make([]float64, bins)
	for _, v := range values {
		x := float64(v)
		if math.IsNaN(x) || math.IsInf(x, 0) {
			continue
		}
		bin := 0
		if high > low {
			bin = min(int((x-low)/(high-low)*bins), bins-1)
		}
		counts[bin]++
	}
	var limits []byte
	for i := range bins {
		limit := low + (high-low)*float64(i+1)/bins
		if i == bins-1 {
			limit = math.Nextafter(high, math.Inf(1)) // a bin does not include its limit
		}
		limits = protowire.AppendFixed64(limits, math.Float64bits(limit))
	}
	var bars []byte
	for _, n := range counts {
		bars = protowire.AppendFixed64(bars, math.Float64bits(n))
	}
	var h []byte
	for i, v := range []float64{low, high, count, sum, squares} { // min, max, num, sum, sum_squares
		h = appendDouble(h, protowire.Number(i+1), v)
	}
	h = appendBytes(h, 6, limits) // bucket_limit
	h = appendBytes(h, 7, bars)   // bucket
	return w.write(w.event(step, summaryField, appendValue(nil, tag, appendBytes(nil, histogramField, h))))
}

// event returns a message Event with one field besides time and step.
func (w *Writer) event(step int64, field protowire.Number, content []byte) []byte {
	seconds := float64(w.now().UnixMicro()) / 1e6
	e := appendDouble(nil, timeField, seconds)
	e = protowire.AppendVarint(protowire.AppendTag(e, stepField, protowire.VarintType), uint64(step))
	return appendBytes(e, field, content)
}

// appendValue appends a Summary.Value with one field.
func appendValue(summary []byte, tag string, field []byte) []byte {
	return appendBytes(summary, valueField, append(appendBytes(nil, tagField, []byte(tag)), field...))
}

func appendBytes(b []byte, n protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), content)
}

func appendInt(b []byte, n protowire.Number, v int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), uint64(v))
}

func appendDouble(b []byte, n protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), math.Float64bits(v))
}
