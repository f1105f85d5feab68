package train

import (
	"fmt"
	"runtime"
	"strings"

	"fasternet/kernels"
)

// noteKernels adds a note if other kernels trained the checkpoint to resume from: on another machine, or chosen by
// the environment. The run goes on, but its bits differ from a run with the same kernels from the beginning.
func (t *trainer) noteKernels() {
	launches, err := t.folder.Launches()
	if err != nil {
		return // the earlier kernels are unknown
	}
	// A launch that began at the checkpoint or later has not trained it.
	for i := len(launches) - 1; i >= 0; i-- {
		if before := launches[i]; before.Batches < t.progress.Batches {
			if was, is, differ := compareKernels(before, t.launch()); differ {
				t.notes = append(t.notes, fmt.Sprintf("the checkpoint was trained with %s, the run continues with %s: "+
					"they round differently, so the result will be close, but not the same to the bit", was, is))
			}
			return
		}
	}
}

// launch returns the hardware and software of a process.
func (t *trainer) launch() Launch {
	k := t.pool.Kernels()
	l := Launch{
		Go:        runtime.Version(),
		Platform:  runtime.GOOS + "/" + runtime.GOARCH,
		Processor: kernels.CPU(),
		Threads:   t.pool.Workers(),
		Kernels:   string(k.Variant()),
		Precision: kernels.FP32.String(),
	}
	if t.task.precision() == kernels.BF16 {
		l.Precision = fmt.Sprintf("%s (%s)", kernels.BF16, k.BF16())
	}
	return l
}

// compareKernels names the kernels of two launches, and reports whether the bits may differ. Older versions of the
// program did not record the precision.
func compareKernels(before, now Launch) (was, is string, differ bool) {
	name := func(l Launch) string {
		s := l.Kernels + " kernels"
		if before.Precision != now.Precision && before.Precision != "" {
			s += " in " + l.Precision
		}
		return s + " on " + l.Platform
	}
	// Plain Go fuses multiply and add on some architectures only.
	_, wasArch, _ := strings.Cut(before.Platform, "/")
	_, isArch, _ := strings.Cut(now.Platform, "/")
	differ = before.Kernels != now.Kernels ||
		wasArch != isArch ||
		before.Precision != "" && before.Precision != now.Precision
	return name(before), name(now), differ
}
