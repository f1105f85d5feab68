package augment_test

import (
	"math/rand/v2"

	"fasternet/data/augment"
	"fasternet/data/picture"
)

// Your own program adds an augmentation in an init function. Then
//
//	augment: {extra: [{name: dead_pixels, prob: 0.5, share: 0.01}]}
//
// works in every command.
func ExampleRegister() {
	type options struct {
		Share float64 `yaml:"share" doc:"of the pixels that become black"`
	}
	augment.Register(augment.Augmentation{
		Name: "dead_pixels", Doc: "some pixels become black",
		Options: func() any { return &options{Share: 0.1} },
		New: func(o any) (augment.Func, error) {
			share := o.(*options).Share
			return func(m *picture.Image, r *rand.Rand) (*picture.Image, error) {
				for i := 0; i < len(m.Pix); i += m.Channels {
					if r.Float64() < share {
						clear(m.Pix[i : i+m.Channels])
					}
				}
				return m, nil
			}, nil
		},
	})
}
