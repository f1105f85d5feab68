package train

import (
	"strings"
	"testing"

	"fasternet/kernels"
)

// A launch with other kernels gets a note, unless its bits are the same.
func TestCompareKernels(t *testing.T) {
	launch := func(kernels, precision, platform string) Launch {
		return Launch{Kernels: kernels, Precision: precision, Platform: platform}
	}
	for _, c := range []struct {
		name        string
		before, now Launch
		was, is     string // "" if the bits are the same
	}{
		{"the same", launch("avx2", "fp32", "linux/amd64"), launch("avx2", "fp32", "linux/amd64"), "", ""},
		{"another system", launch("neon", "fp32", "darwin/arm64"), launch("neon", "fp32", "linux/arm64"), "", ""},
		{
			"another variant", launch("avx512", "fp32", "linux/amd64"), launch("avx2", "fp32", "linux/amd64"),
			"avx512 kernels on linux/amd64", "avx2 kernels on linux/amd64",
		},
		{
			"another architecture", launch("avx512", "fp32", "linux/amd64"),
			launch("neon", "fp32", "linux/arm64"), "avx512 kernels on linux/amd64",
			"neon kernels on linux/arm64",
		},
		{
			"plain Go on both", launch("go", "fp32", "windows/amd64"), launch("go", "fp32", "windows/arm64"),
			"go kernels on windows/amd64", "go kernels on windows/arm64",
		},
		{
			"another path", launch("avx512", "bf16 (amx)", "linux/amd64"),
			launch("avx512", "bf16 (avx512_bf16)", "linux/amd64"),
			"avx512 kernels in bf16 (amx) on linux/amd64",
			"avx512 kernels in bf16 (avx512_bf16) on linux/amd64",
		},
		{"auto, without bf16", launch("avx512", "bf16 (amx)", "linux/amd64"), launch("avx512", "fp32", "linux/amd64"),
			"avx512 kernels in bf16 (amx) on linux/amd64", "avx512 kernels in fp32 on linux/amd64"},
		{
			"an older version", launch("avx512", "", "linux/amd64"),
			launch("avx512", "bf16 (amx)", "linux/amd64"), "", "",
		},
		{
			"an older version on another machine", launch("avx512", "", "linux/amd64"),
			launch("neon", "fp32", "darwin/arm64"), "avx512 kernels on linux/amd64",
			"neon kernels on darwin/arm64",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			was, is, differ := compareKernels(c.before, c.now)
			if differ != (c.was != "") || differ && (was != c.was || is != c.is) {
				t.Errorf("got %q, %q, %t; want %q, %q", was, is, differ, c.was, c.is)
			}
		})
	}
}

// inFP32 is a task with only a precision.
type inFP32 struct{ task }

func (inFP32) precision() kernels.Precision { return kernels.FP32 }

// The launch that made the checkpoint counts, not a later one that saved nothing.
func TestNoteKernels(t *testing.T) {
	for _, c := range []struct {
		name     string
		launches []Launch
		batches  int
		want     string // kernels in the note; "" for no note
	}{
		{"nothing is recorded", nil, 4, ""},
		{"of the last one", []Launch{{Kernels: "first"}, {Kernels: "second", Batches: 2}}, 4, "second"},
		{
			"from the previous launch, because the last one saved nothing",
			[]Launch{{Kernels: "first"}, {Kernels: "second", Batches: 4}},
			4, "first",
		},
		{"of an older checkpoint", []Launch{{Kernels: "first"}, {Kernels: "second", Batches: 4}}, 3, "first"},
		{
			"after an older checkpoint",
			[]Launch{{Kernels: "first"}, {Kernels: "second", Batches: 4}, {Kernels: "third", Batches: 2}},
			4, "third",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := &trainer{pool: kernels.NewPool(1), task: inFP32{}, folder: openTest(t)}
			defer func() { _ = tr.close() }()
			for _, l := range c.launches {
				now := tr.launch()
				now.Kind, now.Kernels, now.Batches = beginning, l.Kernels, l.Batches
				if err := tr.folder.appendLaunch(now); err != nil {
					t.Fatal(err)
				}
			}
			tr.progress.Batches = c.batches
			tr.noteKernels()
			switch {
			case c.want == "" && len(tr.notes) > 0,
				c.want != "" &&
					(len(tr.notes) != 1 || !strings.Contains(tr.notes[0], "was trained with "+c.want+" kernels")):
				t.Errorf("notes %q, want one of %q", tr.notes, c.want)
			}
		})
	}
}
