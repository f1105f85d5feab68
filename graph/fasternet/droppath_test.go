package fasternet

import (
	"math"
	"testing"

	"fasternet/configs"
	"fasternet/internal/golden"
)

// The rates of drop path of the official sizes are the reference's.
func TestDropPathRates(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"t0", "t1", "t2", "s", "m", "l"} {
		var ref struct {
			Config struct {
				Rate float64 `json:"drop_path_rate"`
			}
			Rates []float64 `json:"drop_path_rates"`
		}
		golden.JSON(t, "fasternet_"+name+".json", &ref)
		c, err := configs.Load("fasternet_" + name)
		if err != nil {
			t.Fatal(err)
		}
		c.Model.NumClasses, c.Model.DropPathRate = 1, ref.Config.Rate
		m, err := New(c.Model, 1)
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for _, stage := range m.stages {
			for _, b := range stage {
				if math.Abs(b.DropPath.Rate-ref.Rates[i]) > 1e-7 {
					t.Errorf("%s: rate of block %d is %v, want %v", name, i, b.DropPath.Rate, ref.Rates[i])
				}
				i++
			}
		}
		if i != len(ref.Rates) {
			t.Errorf("%s: %d blocks, want %d", name, i, len(ref.Rates))
		}
	}
}
