package train

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"fasternet/checkpoints"
	"fasternet/data"
	"fasternet/formats"
	"fasternet/graph/localmim/masking"
	"fasternet/internal/disk"
	"fasternet/model"
)

// DebugFolder holds the batch on which a run diverged, and the state of the run before that step.
const DebugFolder = "debug"

// The metadata of a saved batch.
const (
	batchKey    = "batch"     // a batchRecord
	samplesKey  = "samples"   // a list of sampleRecord
	batchFormat = "fasternet" // value of formatKey
	formatKey   = "batch_format"
	findingKey  = "finding"
)

// Endings of the file names of a batch and of the state before its step.
const (
	batchEnding = ".batch.safetensors"
	stateEnding = ".state.safetensors"
)

// batchRecord says where in the run a saved batch was. The random numbers depend on it.
type batchRecord struct {
	Epoch   int    `json:"epoch"`   // from 0
	Step    int    `json:"step"`    // in the epoch, from 0
	Batches int    `json:"batches"` // batches of the run before it
	Seed    uint64 `json:"seed"`
	Whole   int    `json:"whole"`            // samples of all ranks
	Places  []int  `json:"places,omitempty"` // places of the samples among them
	Rank    string `json:"rank,omitempty"`
}

// Tensors of a saved batch. Images are [samples, channels, height, width], as PyTorch has them and as
// predict reads them.
const (
	imagesTensor  = "input"
	targetsTensor = "targets"
	labelsTensor  = "labels"
	indicesTensor = "indices"
	maskTensor    = "mask"
	keepTensor    = "kept"
)

func scaleTensor(what string, k int) string { return fmt.Sprintf("mim_%s.%d", what, k) }

// batchTensors returns the tensors of a batch.
func batchTensors(b *data.Batch) []formats.Tensor {
	n := b.Size
	ts := []formats.Tensor{
		{
			Name:  imagesTensor,
			Shape: []int{n, b.Channels, b.Height, b.Width},
			F32:   channelsFirst(b.Images, n, b.Height*b.Width, b.Channels),
		},
		{Name: labelsTensor, Shape: []int{n}, I64: integers(b.Labels)},
		{Name: indicesTensor, Shape: []int{n}, I64: integers(b.Indices)},
	}
	if len(b.Targets) > 0 {
		ts = append(ts, formats.Tensor{
			Name:  targetsTensor,
			Shape: []int{n, len(b.Targets) / n},
			F32:   slices.Clone(b.Targets),
		})
	}
	if e, ok := b.Extra.(*masking.Batch); ok {
		for k := range e.Targets {
			cells := len(e.Weights[k]) / n
			ts = append(ts,
				formats.Tensor{
					Name:  scaleTensor(targetsTensor, k),
					Shape: []int{n, cells, len(e.Targets[k]) / n / cells},
					F32:   slices.Clone(e.Targets[k]),
				},
				formats.Tensor{
					Name:  scaleTensor("weights", k),
					Shape: []int{n, cells},
					F32:   slices.Clone(e.Weights[k]),
				})
		}
		lists := n
		if e.Shared {
			lists = 1
		}
		ts = append(ts, formats.Tensor{Name: maskTensor, Shape: []int{n, len(e.Mask) / n}, F32: slices.Clone(e.Mask)},
			formats.Tensor{Name: keepTensor, Shape: []int{lists, len(e.Kept) / lists}, I64: integers(e.Kept)})
	}
	return ts
}

func integers[T int | int32](from []T) []int64 {
	to := make([]int64, len(from))
	for i, v := range from {
		to[i] = int64(v)
	}
	return to
}

// channelsFirst converts images from [n, pixels, channels] to [n, channels, pixels].
func channelsFirst(from []float32, n, pixels, channels int) []float32 {
	to := make([]float32, len(from))
	for i := range n {
		for p := range pixels {
			for c := range channels {
				to[(i*channels+c)*pixels+p] = from[(i*pixels+p)*channels+c]
			}
		}
	}
	return to
}

// savedBatch is a batch that was read from a file.
type savedBatch struct {
	batch   *data.Batch
	at      batchRecord
	samples []sampleRecord
}

// readBatch reads a saved batch. Python may have changed it, so the checksum may be missing.
func readBatch(path string) (*savedBatch, error) {
	f, err := checkpoints.ReadOpen(path)
	if err != nil {
		return nil, err
	}
	s, err := parseBatch(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func parseBatch(f *checkpoints.File) (*savedBatch, error) {
	if f.Meta[formatKey] != batchFormat {
		return nil, fmt.Errorf("it is not a saved batch: the metadata lack %s=%s", formatKey, batchFormat)
	}
	s := &savedBatch{}
	if err := json.Unmarshal([]byte(f.Meta[batchKey]), &s.at); err != nil {
		return nil, fmt.Errorf("its metadata %q: %w", batchKey, err)
	}
	if err := json.Unmarshal([]byte(f.Meta[samplesKey]), &s.samples); err != nil {
		return nil, fmt.Errorf("its metadata %q: %w", samplesKey, err)
	}
	images, ok := f.Lookup(imagesTensor)
	if !ok || len(images.Shape) != 4 || len(images.F32) == 0 {
		return nil, fmt.Errorf("tensor %s: want float32 [samples, channels, height, width], got shape %v",
			imagesTensor, images.Shape)
	}
	n, channels, height, width := images.Shape[0], images.Shape[1], images.Shape[2], images.Shape[3]
	b := &data.Batch{
		Size:     n,
		Whole:    max(s.at.Whole, n),
		Height:   height,
		Width:    width,
		Channels: channels,
		Step:     s.at.Step,
		Places:   s.at.Places,
	}
	b.Images = channelsLast(images.F32, n, height*width, channels)
	if p := b.Places; p != nil && (len(p) != n || !slices.IsSorted(p) || p[0] < 0 || p[n-1] >= b.Whole) {
		return nil, fmt.Errorf("its metadata %q: want %d ascending places below %d", batchKey, n, b.Whole)
	}
	const most = 1 << 24 // samples of all ranks
	if b.Whole > most {
		return nil, fmt.Errorf("its metadata %q: a batch of %d samples: want %d or fewer", batchKey, b.Whole, most)
	}
	if b.Places == nil {
		b.Whole = n
	}
	for _, list := range []struct {
		name string
		to   *[]int
	}{{labelsTensor, &b.Labels}, {indicesTensor, &b.Indices}} {
		x, _ := f.Lookup(list.name)
		if len(x.I64) != n {
			return nil, fmt.Errorf("tensor %s: want %d values of int64, got shape %v", list.name, n, x.Shape)
		}
		for _, v := range x.I64 {
			if v < 0 {
				return nil, fmt.Errorf("tensor %s: want values of 0 or more, got %d", list.name, v)
			}
			*list.to = append(*list.to, int(v))
		}
	}
	if x, ok := f.Lookup(targetsTensor); ok {
		b.Targets = x.F32
	}
	mask, masked := f.Lookup(maskTensor)
	if masked {
		kept, _ := f.Lookup(keepTensor)
		e := &masking.Batch{Mask: mask.F32, Shared: n > 1 && len(kept.Shape) == 2 && kept.Shape[0] == 1}
		for _, v := range kept.I64 {
			e.Kept = append(e.Kept, int32(v))
		}
		for k := 0; ; k++ {
			targets, ok := f.Lookup(scaleTensor(targetsTensor, k))
			if !ok {
				break
			}
			weights, _ := f.Lookup(scaleTensor("weights", k))
			e.Targets, e.Weights = append(e.Targets, targets.F32), append(e.Weights, weights.F32)
		}
		b.Extra = e
	}
	s.batch = b
	return s, nil
}

// fits returns an error if the batch is for another task.
func (s *savedBatch) fits(t task) error {
	p, mim := t.(*pretraining)
	switch {
	case mim && s.batch.Extra == nil:
		return fmt.Errorf("it is a batch of a classifier, but the run is a pre-training")
	case !mim && s.batch.Extra != nil:
		return fmt.Errorf("it is a batch of a pre-training, but the run is a classifier")
	case mim &&
		(s.batch.Height != p.config.Data.ImageSize ||
			s.batch.Width != p.config.Data.ImageSize ||
			len(s.masked().Targets) != len(p.net.Scales())):
		return fmt.Errorf("it has images of %d×%d pixels and %d scales, but the run %d×%[4]d and %d",
			s.batch.Height, s.batch.Width, len(s.masked().Targets), p.config.Data.ImageSize, len(p.net.Scales()))
	}
	return nil
}

func (s *savedBatch) masked() *masking.Batch { return s.batch.Extra.(*masking.Batch) }

// channelsLast converts images from [n, channels, pixels] to [n, pixels, channels].
func channelsLast(from []float32, n, pixels, channels int) []float32 {
	to := make([]float32, len(from))
	for i := range n {
		for c := range channels {
			for p := range pixels {
				to[(i*pixels+p)*channels+c] = from[(i*channels+c)*pixels+p]
			}
		}
	}
	return to
}

// keep copies a batch, so that it outlives its iterator.
func keep(b *data.Batch) *data.Batch {
	c := *b
	c.Images, c.Targets = slices.Clone(b.Images), slices.Clone(b.Targets)
	c.Sets = slices.Clone(b.Sets)
	c.Labels = slices.Clone(b.Labels)
	c.Indices = slices.Clone(b.Indices)
	c.Places = slices.Clone(b.Places)
	c.Replaced = slices.Clone(b.Replaced)
	if e, ok := b.Extra.(*masking.Batch); ok {
		c.Extra = e.Clone()
	}
	return &c
}

// copyState copies the state of the run into memory of its own.
func (t *trainer) copyState() *checkpoints.File {
	f := t.state()
	for i, x := range f.Tensors {
		f.Tensors[i].F32, f.Tensors[i].I64 = slices.Clone(x.F32), slices.Clone(x.I64)
	}
	return &f
}

// saveStep writes the batch of a rank and, on rank 0, the state of the run before the step. All ranks call
// it. It returns the path of the batch, "" if nothing was written.
func (t *trainer) saveStep(rank int, a attempt, b *data.Batch, e *DivergedError) (string, error) {
	k := b.Step - a.before.Step // among the batches of the step
	f, err := t.batchOf(rank, checkpoints.File{
		Tensors: batchTensors(b),
		Meta:    map[string]string{},
	}, func(f *checkpoints.File) error {
		record := batchRecord{
			Epoch: a.before.Epoch, Step: b.Step, Batches: a.before.Batches + k, Seed: t.config.Seed,
			Whole: b.Whole, Places: b.Places, Rank: e.Rank,
		}
		text, err := json.Marshal(record)
		if err != nil {
			return err
		}
		samples, err := json.Marshal(t.records(b, nil))
		if err != nil {
			return err
		}
		maps.Copy(f.Meta, map[string]string{
			formatKey:  batchFormat,
			batchKey:   string(text),
			samplesKey: string(samples),
			findingKey: e.what() + "; " + e.Finding,
		})
		return nil
	})
	if err != nil || t.folder == nil {
		return "", err
	}
	config, err := t.config.YAML()
	if err != nil {
		return "", err
	}
	f.Meta[model.ConfigKey] = string(config)
	dir := t.folder.path(DebugFolder)
	if err := disk.MakeFolder(dir); err != nil {
		return "", fmt.Errorf("run folder: %w", err)
	}
	name := fmt.Sprintf("epoch-%03d-step-%05d", a.before.Epoch+1, b.Step+1)
	path := t.folder.path(DebugFolder, name+batchEnding)
	if err := checkpoints.Write(path, f); err != nil {
		return "", err
	}
	if a.updated && a.state == nil { // it is lost
		return path, nil
	}
	after := t.progress
	t.progress = a.before
	state := t.state()
	t.progress = after
	if err := checkpoints.Write(t.folder.path(DebugFolder, name+stateEnding), state); err != nil {
		return path, err
	}
	return path, nil
}

// batchOf sends the file of a rank to rank 0. describe completes it on the rank that sends it.
func (t *trainer) batchOf(
	rank int,
	own checkpoints.File,
	describe func(*checkpoints.File) error,
) (checkpoints.File, error) {
	mine := t.ranks.Rank() == rank
	if mine {
		if err := describe(&own); err != nil {
			return own, err
		}
	}
	if t.ranks.Size() == 1 || rank == 0 {
		return own, nil
	}
	type header struct {
		Meta    map[string]string
		Tensors []formats.Tensor // without values
		F32     []int
		I64     []int
	}
	var h header
	if mine {
		h.Meta = own.Meta
		for _, x := range own.Tensors {
			h.F32, h.I64 = append(h.F32, len(x.F32)), append(h.I64, len(x.I64))
			h.Tensors = append(h.Tensors, formats.Tensor{Name: x.Name, Shape: x.Shape})
		}
	}
	text, err := json.Marshal(h)
	if err != nil {
		return own, err
	}
	texts, err := t.ranks.Gather(text)
	if err != nil {
		return own, err
	}
	if !mine {
		if err := json.Unmarshal(texts[rank], &h); err != nil {
			return own, err
		}
		own = checkpoints.File{Meta: h.Meta, Tensors: h.Tensors}
		for i := range own.Tensors {
			if h.F32[i] > 0 {
				own.Tensors[i].F32 = make([]float32, h.F32[i])
			}
			if h.I64[i] > 0 {
				own.Tensors[i].I64 = make([]int64, h.I64[i])
			}
		}
	}
	for _, x := range own.Tensors {
		for _, memory := range [][]byte{bytesOf(x.F32), bytesOf(x.I64)} {
			if len(memory) == 0 {
				continue
			}
			if err := t.ranks.Broadcast(memory, rank); err != nil {
				return own, err
			}
		}
	}
	return own, nil
}
