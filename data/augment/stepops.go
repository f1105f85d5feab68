package augment

import (
	"fmt"
	"math/rand/v2"

	"fasternet/data/picture"
)

// grayscale makes the channels of a colour image equal to its luma.
func grayscale(m *picture.Image) {
	if m.Channels != 3 {
		return
	}
	for i := 0; i+3 <= len(m.Pix); i += 3 {
		v := luma(m.Pix[i], m.Pix[i+1], m.Pix[i+2])
		m.Pix[i], m.Pix[i+1], m.Pix[i+2] = v, v, v
	}
}

type posterizeOptions struct {
	Bits int `yaml:"bits" doc:"bits of each value to keep, 0 to 8"`
}

func (o *posterizeOptions) Check() error {
	if o.Bits < 0 || o.Bits > 8 {
		return fmt.Errorf("bits: want 0 to 8, got %d", o.Bits)
	}
	return nil
}

var posterizing = Augmentation{
	Name: "posterize", Doc: "keeps only the high bits of each value",
	Options: func() any { return &posterizeOptions{Bits: 4} },
	New: func(options any) (Func, error) {
		o, ok := options.(*posterizeOptions)
		if !ok {
			return nil, errOptions
		}
		return always(func(m *picture.Image) { posterize(m, o.Bits) })(nil)
	},
}

type solarizeOptions struct {
	Threshold int `yaml:"threshold" doc:"invert values from here on, 0 to 256"`
}

func (o *solarizeOptions) Check() error {
	if o.Threshold < 0 || o.Threshold > 256 {
		return fmt.Errorf("threshold: want 0 to 256, got %d", o.Threshold)
	}
	return nil
}

var solarizing = Augmentation{
	Name: "solarize", Doc: "inverts bright values",
	Options: func() any { return &solarizeOptions{Threshold: 128} },
	New: func(options any) (Func, error) {
		o, ok := options.(*solarizeOptions)
		if !ok {
			return nil, errOptions
		}
		return always(func(m *picture.Image) { solarize(m, o.Threshold) })(nil)
	},
}

type sharpnessOptions struct {
	Factor float64 `yaml:"factor" doc:"0 blurs, 1 changes nothing, 2 sharpens"`
}

func (o *sharpnessOptions) Check() error {
	if !(o.Factor >= 0 && o.Factor <= 100) {
		return fmt.Errorf("factor: want 0 to 100, got %v", o.Factor)
	}
	return nil
}

var sharpening = Augmentation{
	Name: "sharpness", Doc: "softens or sharpens edges",
	Options: func() any { return &sharpnessOptions{Factor: 2} },
	New: func(options any) (Func, error) {
		o, ok := options.(*sharpnessOptions)
		if !ok {
			return nil, errOptions
		}
		return func(m *picture.Image, _ *rand.Rand) (*picture.Image, error) {
			sharpness(m, new(picture.Image), o.Factor)
			return m, nil
		}, nil
	},
}
