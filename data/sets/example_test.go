package sets_test

import (
	"context"
	"fmt"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/data/sets"
)

// ramps is a data set of grey ramps in memory: they rise from left to right, or from top to
// bottom.
type ramps struct{ size int }

func (ramps) Len() int          { return 100 }
func (ramps) Classes() []string { return []string{"right", "down"} }
func (ramps) Label(i int) int   { return i % 2 }
func (ramps) Name(i int) string { return fmt.Sprint("ramp ", i) }

func (r ramps) Image(i int) (*picture.Image, error) {
	m := picture.NewImage(r.size, r.size, 1)
	for k := range m.Pix {
		m.Pix[k] = uint8([]int{k % r.size, k / r.size}[i%2] * 255 / r.size)
	}
	return m, nil
}

// rampOptions has the keys of data.options.
type rampOptions struct {
	Size int `yaml:"size" doc:"height and width in pixels"`
}

// Check is called when a configuration is read.
func (o *rampOptions) Check() error {
	if o.Size < 1 || o.Size > 1024 {
		return configs.WrongOption("size", "want 1 to 1024, got %d", o.Size)
	}
	return nil
}

// A program registers its formats in an init function.
func init() {
	sets.Register(sets.Format{
		Name: "ramps", Doc: "grey ramps in memory", NoDir: true,
		Options: func() any { return &rampOptions{Size: 32} },
		Open: func(p *sets.Part) (data.Dataset, error) {
			return ramps{p.Options.(*rampOptions).Size}, nil
		},
	})
}

// Your own program adds a format. Then
//
//	data: {name: ramps, options: {size: 28}}
//
// works in every command, and in Open.
func ExampleRegister() {
	c := configs.Default()
	c.Data.Name, c.Data.Options = "ramps", configs.Options{"size": 28}
	ds, err := sets.Open(context.Background(), c.Data, true)
	if err != nil {
		fmt.Println(err)
		return
	}
	m, _ := ds.Image(0)
	fmt.Println(ds.Len(), m.Height, m.Width)

	c.Data.Options = configs.Options{"size": 0}
	_, err = sets.Open(context.Background(), c.Data, true)
	fmt.Println(err)
	// Output:
	// 100 28 28
	// config: data.options.size: want 1 to 1024, got 0
}
