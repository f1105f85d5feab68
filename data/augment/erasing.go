package augment

import (
	"fmt"
	"math"
	"math/rand/v2"

	"fasternet/data/picture"
)

// ErasingMode says what an erased rectangle is filled with.
type ErasingMode string

// The modes of random erasing.
const (
	EraseConst ErasingMode = "const" // 0, the mean colour
	EraseRand  ErasingMode = "rand"  // one normal value a channel
	ErasePixel ErasingMode = "pixel" // normal values
)

// Erasing overwrites rectangles of a normalised image (Zhong et al., "Random Erasing Data
// Augmentation", 2020), with the same draws as timm.
type Erasing struct {
	Prob  float64     // probability that an image gets erased rectangles; 0 for off
	Mode  ErasingMode // what fills the rectangles
	Count int         // largest number of rectangles; the number is uniform from 1, and they share the area
	Area  [2]float64  // of all rectangles together, as a share of the image's: from, to; such as 0.02, 1/3
}

// Validate returns an error that names the first setting that is wrong.
func (e *Erasing) Validate() error {
	switch {
	case !(e.Prob >= 0 && e.Prob <= 1):
		return fmt.Errorf("data: Erasing.Prob is %v; a probability from 0 to 1 is needed", e.Prob)
	case e.Prob == 0:
		return nil
	case e.Mode != EraseConst && e.Mode != EraseRand && e.Mode != ErasePixel:
		return fmt.Errorf("data: unknown Erasing.Mode %q; use %s, %s or %s",
			string(e.Mode), EraseConst, EraseRand, ErasePixel)
	case e.Count < 1:
		return fmt.Errorf("data: Erasing.Count is %d; at least 1 is needed", e.Count)
	case !(0 < e.Area[0] && e.Area[0] <= e.Area[1] && e.Area[1] <= 1):
		return fmt.Errorf("data: Erasing.Area is %v; 0 < from ≤ to ≤ 1 is needed", e.Area)
	}
	return nil
}

// Apply erases rectangles of x [height, width, channels], and returns how many. It is an error
// when the mode is unknown.
func (e *Erasing) Apply(x []float32, height, width, channels int, r *rand.Rand) (erased int, err error) {
	if e.Prob == 0 || r.Float64() >= e.Prob {
		return 0, nil
	}
	count := 1
	if e.Count > 1 {
		count += r.IntN(e.Count)
	}
	for range count {
		if box, ok := e.box(height, width, count, r); ok {
			if err := e.fill(x, width, channels, box, r); err != nil {
				return erased, err
			}
			erased++
		}
	}
	return erased, nil
}

// box draws one of count rectangles. It gives up if ten rectangles in a row are as high or as
// wide as the image.
func (e *Erasing) box(height, width, count int, r *rand.Rand) (picture.Box, bool) {
	const ratio = 0.3 // smallest aspect ratio; the largest is its inverse
	share := float64(height) * float64(width) / float64(count)
	for range 10 {
		area := share * (e.Area[0] + r.Float64()*(e.Area[1]-e.Area[0]))
		aspect := math.Exp(math.Log(ratio) * (1 - 2*r.Float64()))
		h := int(math.RoundToEven(math.Sqrt(area * aspect)))
		w := int(math.RoundToEven(math.Sqrt(area / aspect)))
		if h < height && w < width {
			top := r.IntN(height - h + 1)
			return picture.Box{Top: top, Left: r.IntN(width - w + 1), Height: h, Width: w}, true
		}
	}
	return picture.Box{}, false
}

func (e *Erasing) fill(x []float32, width, channels int, box picture.Box, r *rand.Rand) error {
	var colour [3]float32
	noise := false
	switch e.Mode {
	case EraseConst:
	case EraseRand:
		for c := range channels {
			colour[c] = float32(r.NormFloat64())
		}
	case ErasePixel:
		noise = true
	default:
		return fmt.Errorf("data: unknown Erasing.Mode %q", string(e.Mode))
	}
	for y := box.Top; y < box.Top+box.Height; y++ {
		row := x[(y*width+box.Left)*channels:][:box.Width*channels]
		if noise {
			for i := range row {
				row[i] = float32(r.NormFloat64())
			}
			continue
		}
		for len(row) > 0 {
			row = row[copy(row, colour[:channels]):]
		}
	}
	return nil
}
