package train

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats"
	"fasternet/internal/hostile"
)

// Whatever a log, a summary and the progress of a checkpoint hold: a resumed run keeps what is readable.
func FuzzLogs(f *testing.F) {
	f.Add(
		[]byte(`{"kind":"step","epoch":0,"step":1,"batches":1,"loss":1}`+"\n"),
		[]byte("epoch,train_loss,eval_loss,eval_top1,eval_top5,lr\n0,1,2,3,4,5\n"),
		`{"epoch":1,"batches":8}`,
	)
	f.Add([]byte("{\n\x00\x00\n"), []byte("0,NaN,Inf,-0,1e400,0x1p-2\r\n\n,,,,,\n"), `{"epoch":-1,"dropped":[1e9]}`)
	f.Fuzz(func(t *testing.T, log, summary []byte, progress string) {
		folder := &Folder{Dir: t.TempDir()}
		for _, c := range []struct {
			name string
			text []byte
		}{{LogFile, log}, {SummaryFile, summary}} {
			if err := os.WriteFile(folder.path(c.name), c.text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		p, err := progressOf(map[string]string{ProgressKey: progress})
		if err != nil {
			p = Progress{Epoch: 1 << 40, Batches: 1 << 40}
		}
		hostile.Bound(t, 4<<20+200*(len(log)+len(summary)), func() { err = folder.forget(p) })
		if err != nil {
			t.Fatal(err)
		}
		records, err1 := folder.Records()
		_, err2 := folder.Scores()
		if err1 != nil || err2 != nil {
			t.Errorf("what was kept cannot be read: %v, %v", err1, err2)
		}
		kept, err := os.ReadFile(folder.path(LogFile))
		if err != nil || bytes.Count(kept, []byte("\n")) != len(records) {
			t.Errorf("%d records of %q, %v", len(records), kept, err)
		}
		for _, r := range records {
			if _, err := json.Marshal(r); err != nil || r.Batches > p.Batches {
				t.Errorf("%+v is kept of a run at batch %d: %v", r, p.Batches, err)
			}
		}
	})
}

// A saved batch may come from anybody: Python may have changed it.
func FuzzBatch(f *testing.F) {
	f.Add(
		`{"epoch":0,"step":1,"batches":1,"seed":0,"whole":4,"places":[0,2]}`,
		`[{"index":3,"name":"a.png","label":1}]`,
		2,
		1,
		2,
		int64(1),
	)
	f.Add(`{"whole":9223372036854775807,"places":[-1,0]}`, `[]`, 2, 1, 0, int64(-1))
	f.Fuzz(func(t *testing.T, at, samples string, n, channels, side int, label int64) {
		if n < 0 || channels < 0 || side < 0 || n > 8 || channels > 8 || side > 8 {
			return
		}
		file := &checkpoints.File{
			Meta: map[string]string{formatKey: batchFormat, batchKey: at, samplesKey: samples},
			Tensors: []formats.Tensor{
				{Name: imagesTensor, Shape: []int{n, channels, side, side}, F32: make([]float32, n*channels*side*side)},
				{Name: labelsTensor, Shape: []int{2}, I64: []int64{label, 0}},
				{Name: indicesTensor, Shape: []int{2}, I64: []int64{0, label}},
				{Name: targetsTensor, Shape: []int{2, 2}, F32: []float32{0, 1, 1, 0}},
			},
		}
		var b *savedBatch
		var err error
		hostile.Bound(t, 1<<20+200*(len(at)+len(samples))+64*n*channels*side*side, func() { b, err = parseBatch(file) })
		if err != nil {
			return
		}
		c := configs.Default()
		c.Task, c.Augment.Mixup, c.Augment.MixupProb = "classify", 1, 1
		tr := &trainer{config: &c, train: knownSamples{[]string{"a"}, b.samples}}
		for k := range b.batch.Size {
			_ = tr.nameSample(k, b.batch)
		}
	})
}
