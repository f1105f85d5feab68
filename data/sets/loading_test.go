package sets

import (
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/internal/datatest"
	"fasternet/internal/rng"
)

// If a file vanishes or cannot be read during training, the error names it, or another replaces it.
func TestLoaderReplacesBadImages(t *testing.T) {
	root := t.TempDir()
	for i := range 8 {
		datatest.WriteFile(t,
			filepath.Join(root, fmt.Sprintf("c%d", i%2), fmt.Sprintf("%d.jpg", i)),
			datatest.EncodeJPEG(t, datatest.Scene(40+i, 40)))
	}
	d, err := OpenClassFolders(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	opt := data.LoaderOptions{Batch: 4, Workers: 2, Prefetch: 1, Transform: trainTransform(36, 3), Shuffle: true}
	clean := batches(t, newLoader(t, d, opt), 0, 0)
	if err := os.Remove(d.Name(2)); err != nil {
		t.Fatal(err)
	}
	datatest.WriteFile(t, d.Name(3), []byte("\xff\xd8\xff"))
	it := newLoader(t, d, opt).Epoch(t.Context(), 0, 0)
	defer it.Close()
	for err == nil {
		_, err = it.Next()
	}
	datatest.WantError(t, err, "c0")
	opt.ReplaceBad = true
	var replaced []int
	for s, b := range batches(t, newLoader(t, d, opt), 0, 0) {
		for _, r := range b.Replaced {
			replaced = append(replaced, r.Index)
			if !strings.Contains(r.Err.Error(), d.Name(r.Index)) {
				t.Errorf("%v does not name %s", r.Err, d.Name(r.Index))
			}
			if b.Labels[r.At] != d.Label(4) { // of the image that took its place
				t.Errorf("label %d", b.Labels[r.At])
			}
		}
		n := len(b.Images) / b.Size
		for k, i := range b.Indices {
			if same := slices.Equal(b.Images[k*n:][:n], clean[s].Images[k*n:][:n]); same == (i == 2 || i == 3) {
				t.Errorf("sample %d: the same as without bad images is %v", i, same)
			}
		}
	}
	slices.Sort(replaced)
	if !slices.Equal(replaced, []int{2, 3}) {
		t.Errorf("replaced %v, want 2 and 3", replaced)
	}
	for i := range d.Len() {
		datatest.WriteFile(t, d.Name(i), nil)
	}
	it2 := newLoader(t, d, opt).Epoch(t.Context(), 0, 0)
	defer it2.Close()
	_, err = it2.Next()
	datatest.WantError(t, err, "the next 7 images cannot be read either")
}

// BenchmarkLoader measures Fashion-MNIST through padding, crop, flip and mixup.
func BenchmarkLoader(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			mean, std := []float32{0.29, 0.29, 0.29}, []float32{0.35, 0.35, 0.35}
			opt := data.LoaderOptions{
				Batch:    128,
				Workers:  workers,
				Prefetch: 2,
				Shuffle:  true,
				DropLast: true,
				Seed:     5,
				Mix: &data.Mixup{
					MixupAlpha:  0.8,
					CutmixAlpha: 1,
					Prob:        0.8,
					SwitchProb:  0.5,
					Smoothing:   0.1,
					Classes:     10,
				},
				Transform: &data.TrainTransform{
					Size:          32,
					HFlip:         0.5,
					Padding:       4,
					Scale:         [2]float64{0.08, 1},
					Ratio:         [2]float64{3.0 / 4, 4.0 / 3},
					Interpolation: picture.Bicubic,
					Mean:          mean,
					Std:           std,
					Channels:      3,
				},
			}
			l := newLoader(b, realFashionMNIST(b, false), opt)
			images, epoch := 0, 0
			b.ReportAllocs()
			it := l.Epoch(b.Context(), epoch, 0)
			defer func() { it.Close() }()
			for b.Loop() {
				batch, err := it.Next()
				if err == io.EOF {
					epoch++
					it = l.Epoch(b.Context(), epoch, 0)
					continue
				}
				if err != nil {
					b.Fatal(err)
				}
				images += batch.Size
			}
			b.ReportMetric(float64(images)/b.Elapsed().Seconds(), "img/s")
		})
	}
}

// BenchmarkLoaderJPEG measures one worker with photo-sized JPEG files at 224×224.
func BenchmarkLoaderJPEG(b *testing.B) {
	small := datatest.RandomImage[picture.Image](rng.New(1, rng.Bench), 30, 40, 3)
	photo, err := picture.Resize(small, 375, 500, picture.Bicubic)
	if err != nil {
		b.Fatal(err)
	}
	m := image.NewRGBA(image.Rect(0, 0, 500, 375))
	for i := range 375 * 500 {
		copy(m.Pix[4*i:], photo.Pix[3*i:3*i+3])
		m.Pix[4*i+3] = 255
	}
	root, content := b.TempDir(), datatest.EncodeJPEG(b, m)
	for i := range 32 {
		datatest.WriteFile(b, filepath.Join(root, "class", fmt.Sprint(i, ".jpg")), content)
	}
	ds, err := OpenImageFolder(root, "")
	if err != nil {
		b.Fatal(err)
	}
	l := newLoader(b, ds, data.LoaderOptions{Batch: 32, Workers: 1, Transform: trainTransform(224, 3)})
	for b.Loop() {
		it := l.Epoch(b.Context(), 0, 0)
		if _, err := it.Next(); err != nil {
			b.Fatal(err)
		}
		it.Close()
	}
	b.ReportMetric(32*float64(b.N)/b.Elapsed().Seconds(), "img/s")
}

// A loader decodes only a part of a file, but crops and flips the upright image.
func TestOrientationOfParts(t *testing.T) {
	dir := t.TempDir()
	plain := datatest.EncodeJPEG(t, datatest.Scene(123, 77))
	grey := datatest.EncodeJPEG(t, image.NewGray(image.Rect(0, 0, 60, 41)))
	for o := 0; o <= 9; o++ {
		for k, content := range [][]byte{plain, grey} {
			path := filepath.Join(dir, fmt.Sprintf("%d-%d.jpg", o, k))
			datatest.WriteFile(t, path, datatest.WithOrientation(content, o))
			for _, how := range []picture.Decoding{{}, {IgnoreOrientation: true}} {
				ds := Files{path}.As(how)
				whole, err := ds.Image(0)
				if err != nil {
					t.Fatal(err)
				}
				if tall := whole.Height > whole.Width; tall != (!how.IgnoreOrientation && 5 <= o && o <= 8) {
					t.Errorf("orientation %d, %+v: %d×%d pixels", o, how, whole.Height, whole.Width)
				}
				transforms := []data.Transform{
					trainTransform(40, 3),
					evalTransform(48, 3),
					evalTransform(400, 1),
					trainTransform(32, 3),
				}
				for _, tr := range transforms {
					h, w, c := tr.OutputShape()
					want := make([]float32, h*w*c)
					if err := tr.Apply(whole, rng.New(5, rng.Augment, 1, 0), want); err != nil {
						t.Fatal(err)
					}
					got, err := data.View(ds, tr, 5, 1, 0)
					if err != nil {
						t.Fatal(err)
					}
					datatest.Near(t, fmt.Sprintf("orientation %d, %+v, %T", o, how, tr), got, want, 0)
				}
			}
		}
	}
}

// noise is a dataset of small random images in memory.
type noise []*picture.Image

func newNoise(n int) (d noise) {
	for i := range n {
		d = append(d, datatest.RandomImage[picture.Image](rng.New(9, rng.Bench, uint64(i)), 8, 8, 3))
	}
	return d
}

func (d noise) Len() int                            { return len(d) }
func (noise) Classes() []string                     { return []string{"a", "b", "c", "d"} }
func (noise) Label(i int) int                       { return i % 4 }
func (noise) Name(i int) string                     { return fmt.Sprintf("noise %d", i) }
func (d noise) Image(i int) (*picture.Image, error) { return d[i], nil }

// plain returns means and deviations that leave pixels in [0, 1].
func plain(channels int) (mean, std []float32) {
	return make([]float32, channels), slices.Repeat([]float32{1}, channels)
}

func trainTransform(size, channels int) *data.TrainTransform {
	mean, std := plain(channels)
	return &data.TrainTransform{Size: size, Scale: [2]float64{0.08, 1}, Ratio: [2]float64{3. / 4, 4. / 3},
		HFlip: 0.5, Padding: 4, Interpolation: picture.Bicubic, Mean: mean, Std: std, Channels: channels}
}

func evalTransform(size, channels int) *data.EvalTransform {
	mean, std := plain(channels)
	return &data.EvalTransform{
		Size: size, CropRatio: 0.9, Interpolation: picture.Bicubic, Mean: mean, Std: std,
		Channels: channels,
	}
}

func newLoader(t testing.TB, ds data.Dataset, opt data.LoaderOptions) *data.Loader {
	t.Helper()
	l, err := data.NewLoader(ds, opt)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// batches returns copies of the batches of an epoch.
func batches(t *testing.T, l *data.Loader, epoch, startStep int) (all []data.Batch) {
	t.Helper()
	it := l.Epoch(t.Context(), epoch, startStep)
	defer it.Close()
	for {
		b, err := it.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		kept := *b
		kept.Images, kept.Labels, kept.Indices = slices.Clone(b.Images), slices.Clone(b.Labels), slices.Clone(b.Indices)
		kept.Replaced = slices.Clone(b.Replaced)
		all = append(all, kept)
	}
}
