package sets

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"

	"fasternet/data"
	"fasternet/data/picture"
)

// PackOptions says how [Pack] makes a packed file.
type PackOptions struct {
	Form      PackForm
	ShortSide int  // images with a larger short side are made smaller; 0 keeps all sizes
	Quality   int  // of JPEG files that are made smaller, 1 to 100
	Lossy     bool // images from lossless files become JPEG too, not PNG
	Workers   int  // goroutines; 0 means GOMAXPROCS
	Progress  func(done, total int)
	// SkipBad is called for each sample that cannot be read and is left out. If it is nil,
	// such a sample is an error.
	SkipBad func(err error)
}

// Check returns an error that names the first option that is wrong.
func (o PackOptions) Check() error {
	switch {
	case o.Form != PackJPEG && o.Form != PackDecoded:
		return fmt.Errorf("data: form of a packed file: want %s or %s, got %q",
			PackJPEG, PackDecoded, string(o.Form))
	case o.ShortSide < 0:
		return fmt.Errorf("data: short side of %d; 0 (keep the size) or more is needed", o.ShortSide)
	case o.Form == PackJPEG && (o.Quality < 1 || o.Quality > 100):
		return fmt.Errorf("data: JPEG quality %d; 1 to 100 is needed", o.Quality)
	}
	return nil
}

// PackResult says what [Pack] did.
type PackResult struct {
	Samples int   `json:"samples"`
	Resumed int   `json:"resumed"` // of these, samples from an earlier, interrupted run
	Skipped int   `json:"skipped"` // samples that could not be read
	Bytes   int64 `json:"bytes"`

	// How the samples were stored. With form [PackDecoded] all are pixels.
	Kept     int `json:"kept"`     // files as they were, byte for byte
	Lossless int `json:"lossless"` // written as PNG
	Lossy    int `json:"lossy"`    // written as JPEG
	Pixels   int `json:"pixels"`
}

// Pack writes a dataset as a packed file. Until it is complete its name is path.part. If an
// earlier call with the same dataset and options was interrupted, Pack checks the records that
// it has written and keeps them.
//
// With form [PackJPEG] it takes files that are small enough as they are, byte for byte. It makes
// the others smaller: files of a lossless format become PNG, so that nothing more is lost, and
// all others JPEG. It stores the camera's orientation next to the pixels, so that the packed
// dataset can be read with it or without.
func Pack(ctx context.Context, path string, ds data.Dataset, o PackOptions) (PackResult, error) {
	if err := o.Check(); err != nil {
		return PackResult{}, err
	}
	if data.IsMultiLabel(ds) {
		return PackResult{}, errors.New("data: a packed data set has one label for each image, " +
			"and these images have any number: use shards (data shard)")
	}
	if _, err := data.CountClasses(ds); err != nil {
		return PackResult{}, err
	}
	f, err := os.OpenFile(path+".part", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return PackResult{}, fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	w := &packWriter{ds: ds, o: o, f: f}
	if err := w.run(ctx); err != nil {
		if errors.Is(err, context.Canceled) {
			return w.result, err
		}
		return w.result, fmt.Errorf("data: packing %s: %w", path, err)
	}
	rename := func() error { return os.Rename(f.Name(), path) }
	for _, step := range []func() error{f.Sync, f.Close, rename} { // no rename after a failure
		if err := step(); err != nil {
			return w.result, fmt.Errorf("data: packing %s: %w", path, err)
		}
	}
	return w.result, nil
}

type packWriter struct {
	ds     data.Dataset
	o      PackOptions
	f      *os.File
	out    *bufio.Writer
	at     int64 // where the next record goes
	next   int   // the next sample
	index  []byte
	result PackResult
}

// fingerprint identifies the data set and the options. If a file has another one, Pack starts
// again.
func (w *packWriter) fingerprint() uint64 {
	h := fnv.New64a()
	fmt.Fprintln(h,
		packVersion, w.o.Form, w.o.ShortSide, w.o.Quality, w.o.Lossy,
		w.decoding(), w.ds.Len(), len(w.ds.Classes()))
	for _, c := range w.ds.Classes() {
		fmt.Fprintf(h, "%q\n", c)
	}
	for i := range w.ds.Len() {
		fmt.Fprintln(h, w.ds.Label(i), w.ds.Name(i))
	}
	return h.Sum64()
}

func (w *packWriter) run(ctx context.Context) error {
	head := packHeader{w.o.Form == PackDecoded, uint64(w.ds.Len()), w.fingerprint()}
	if err := w.resume(head); err != nil {
		return err
	}
	w.out = bufio.NewWriterSize(w.f, 1<<20)
	if err := w.records(ctx); err != nil {
		// Keep the complete records for the next call.
		return errors.Join(err, w.out.Flush())
	}
	if err := w.out.Flush(); err != nil {
		return err
	}
	return w.finish(head)
}

// resume keeps the complete records of an earlier call, and cuts off the rest. A sample that
// was skipped then is a record without a payload.
func (w *packWriter) resume(head packHeader) error {
	w.at = packHeaderSize
	old := make([]byte, packHeaderSize)
	if _, err := io.ReadFull(w.f, old); err == nil && bytes.Equal(old, head.bytes()) {
		r := bufio.NewReaderSize(w.f, 1<<20)
		for w.next < w.ds.Len() {
			h, err := r.Peek(recordHeaderSize)
			n := recordSize(h)
			if err != nil || n < 0 {
				break
			}
			b := make([]byte, n)
			if _, err := io.ReadFull(r, b); err != nil {
				break
			}
			rec, err := parseRecord(b)
			if err != nil || int(rec.label) != w.ds.Label(w.next) {
				break
			}
			w.place(&rec, n)
		}
		w.result.Resumed = w.result.Samples
	} else if _, err := w.f.WriteAt(head.bytes(), 0); err != nil {
		return err
	}
	if err := w.f.Truncate(w.at); err != nil {
		return err
	}
	_, err := w.f.Seek(w.at, io.SeekStart)
	return err
}

// place enters a record of n bytes into the index.
func (w *packWriter) place(r *record, n int64) {
	if len(r.payload) > 0 {
		w.index = binary.LittleEndian.AppendUint64(w.index, uint64(w.at))
		w.index = binary.LittleEndian.AppendUint64(w.index, uint64(uint32(r.label)))
		w.result.Samples++
		switch r.made {
		case madeKept:
			w.result.Kept++
		case madeLossless:
			w.result.Lossless++
		case madeLossy:
			w.result.Lossy++
		case madePixels:
			w.result.Pixels++
		}
	} else {
		w.result.Skipped++
	}
	w.at += n
	w.next++
}

// records makes the records in workers and writes them in order.
func (w *packWriter) records(ctx context.Context) error {
	workers := w.o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancel(ctx)
	type made struct {
		rec record
		err error
	}
	queue := make(chan chan made, 2*workers)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	first := w.next
	slots := make(chan struct{}, workers)
	group.Go(func() {
		defer close(queue)
		for i := first; i < w.ds.Len(); i++ {
			result := make(chan made, 1)
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			group.Go(func() {
				rec, err := w.record(i)
				result <- made{rec, err}
				<-slots
			})
			select {
			case queue <- result:
			case <-ctx.Done():
				return
			}
		}
	})
	var b []byte
	for result := range queue {
		m := <-result
		if m.err != nil {
			if w.o.SkipBad == nil {
				return m.err
			}
			w.o.SkipBad(m.err)
			m.rec.payload = nil
		}
		b = m.rec.appendTo(b[:0])
		if _, err := w.out.Write(b); err != nil {
			return err
		}
		w.place(&m.rec, int64(len(b)))
		if w.o.Progress != nil {
			w.o.Progress(w.next, w.ds.Len())
		}
	}
	return ctx.Err()
}

// record makes the record of sample i.
func (w *packWriter) record(i int) (record, error) {
	r := record{label: int32(w.ds.Label(i)), name: data.Key(w.ds, i)}
	if len(r.name) > 1<<16 {
		r.name = r.name[:1<<16]
	}
	content, ok, err := data.Encoded(w.ds, i, nil)
	if err != nil {
		return r, err
	}
	var m *picture.Image
	format := ""
	if ok {
		format = picture.Format(content)
		m, err = w.decoding().DecodeNamed(content, w.ds.Name(i))
		r.orientation = picture.OrientationOf(content, format)
	} else {
		m, r.orientation, err = data.StoredPixels(w.ds, i)
	}
	if err != nil {
		return r, err
	}
	short := min(m.Height, m.Width)
	small := w.o.ShortSide == 0 || short <= w.o.ShortSide
	if small && ok && w.o.Form == PackJPEG {
		r.payload, r.made = content, madeKept
		return r, nil
	}
	if !small {
		// Round to nearest, to change the aspect ratio as little as possible.
		scale := func(n int) int { return max(1, (n*w.o.ShortSide+short/2)/short) }
		if m, err = picture.Resize(m, scale(m.Height), scale(m.Width), picture.Bicubic); err != nil {
			return r, err
		}
	}
	if w.o.Form == PackDecoded {
		r.height, r.width, r.channels = uint32(m.Height), uint32(m.Width), uint32(m.Channels)
		r.payload, r.made = m.Pix, madePixels
		return r, nil
	}
	made, as := madeLossy, "jpg"
	if !w.o.Lossy && (!ok || picture.IsLossless(content, format)) {
		made, as = madeLossless, "png"
	}
	encoded, err := w.encode(m, as)
	if err != nil {
		return r, fmt.Errorf("%s: %w", w.ds.Name(i), err)
	}
	r.made, r.payload = made, picture.WithEXIF(encoded, as, r.orientation)
	return r, nil
}

// encode writes an image as a file.
func (w *packWriter) encode(m *picture.Image, format string) ([]byte, error) {
	if format == "png" {
		return m.PNG()
	}
	return m.JPEG(w.o.Quality)
}

// decoding returns how to decode files before they are made smaller. They are not turned: they
// keep their orientation.
func (w *packWriter) decoding() picture.Decoding {
	how := data.DecodingOf(w.ds)
	how.IgnoreOrientation = true
	return how
}

// finish writes index, meta and footer.
func (w *packWriter) finish(head packHeader) error {
	if w.result.Samples == 0 {
		return errors.New("none of the samples can be read")
	}
	meta, err := json.Marshal(packMeta{
		Classes:   w.ds.Classes(),
		Form:      w.o.Form,
		ShortSide: w.o.ShortSide,
		Quality:   w.o.Quality,
		Lossy:     w.o.Lossy,
	})
	if err != nil {
		return err
	}
	tail := slices.Concat(w.index, meta)
	foot := make([]byte, packFooterSize)
	binary.LittleEndian.PutUint64(foot, uint64(w.at))
	binary.LittleEndian.PutUint64(foot[8:], uint64(w.at)+uint64(len(w.index)))
	binary.LittleEndian.PutUint64(foot[16:], uint64(w.result.Samples))
	binary.LittleEndian.PutUint32(foot[24:], crc32.Checksum(tail, castagnoli))
	copy(foot[40:], packEnd)
	w.result.Bytes = w.at + int64(len(tail)+len(foot))
	if _, err := w.f.Write(append(tail, foot...)); err != nil {
		return err
	}
	// The header counts only the samples that were not skipped.
	head.count = uint64(w.result.Samples)
	_, err = w.f.WriteAt(head.bytes(), 0)
	return err
}
