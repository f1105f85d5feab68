package report_test

import (
	"strings"
	"testing"
	"time"

	"fasternet/train"
)

// The page of the pre-training of a FasterNet shows how similar its channels are, and warns if they
// have become copies of one another.
func TestSimilarityOfChannels(t *testing.T) {
	epoch := func(number, similarity string) string {
		return `{"kind":"epoch","epoch":` + number +
			`,"batches":10,"loss":1,"lr":0.1,"eval_loss":1,"channel_similarity":` + similarity + `,"seconds":1}` +
			"\n"
	}
	for _, c := range []struct {
		name, log string
		want      []string
		without   string
	}{
		{"apart", epoch("0", "[0.9,0.1]") + epoch("1", "[0.3,0.1]"),
			[]string{"Similarity of channels", "stage 2"}, "nearly the same"},
		{"copies", epoch("0", "[0.2,0.1]") + epoch("1", "[0.2,0.93]"),
			[]string{"channels of stage 2 are nearly the same", "0.93", "model.grn"}, "channels of stage 1"},
		{"without", `{"kind":"epoch","epoch":0,"batches":10,"loss":1,"lr":0.1,"eval_loss":1,"seconds":1}` + "\n",
			nil, "Similarity of channels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := load(t, folder(t, c.name, []float64{1, 1}, map[string]string{train.LogFile: c.log}))
			html := page(t, r)
			for _, n := range r.Judge(time.Now()).Notes {
				html += n.Text
			}
			for _, want := range c.want {
				if !strings.Contains(html, want) {
					t.Errorf("no %q on the page", want)
				}
			}
			if strings.Contains(html, c.without) {
				t.Errorf("%q is on the page", c.without)
			}
		})
	}
}
