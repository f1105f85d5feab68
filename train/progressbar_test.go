package train

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"
)

// A bar is never too wide, and the most important parts stay.
func TestBarFits(t *testing.T) {
	b := &bar{total: 1251}
	for _, c := range []struct {
		name    string
		details []string
	}{
		{"epoch 12/300", []string{"loss 2.3456", "ETA 3h12m", "1234 img/s", "lr 1.00e-03"}},
		{"epoch 1200/3000 validation of the average", nil},
		{"evaluating 花の写真を分類する実験 その二", nil},
		{"👩‍👩‍👧‍👦 e\u0301poche", []string{"loss 1e+30", "ETA 1000d+"}},
		{"", nil},
	} {
		for columns := range 130 {
			for _, done := range []int{-1, 0, 562, 1251, 99999} {
				line := b.line(columns, done, c.name, c.details)
				if w := uniseg.StringWidth(line); w > columns || strings.ContainsAny(line, "\r\n") {
					t.Fatalf("%q has %d columns of %d", line, w, columns)
				}
				if columns >= 60 && !strings.Contains(line, "%") {
					t.Errorf("%d columns: %q", columns, line)
				}
			}
		}
	}
	for _, test := range []struct {
		columns int
		want    string
	}{
		{8, "ep…  44%"},
		{39, "epoch 12/300 loss 2.3456 ETA 3h12m  44%"},
		{79, "epoch 12/300 loss 2.3456 ETA 3h12m 1234 img/s  44% |██████        | (562/1251)"},
		{
			120,
			"epoch 12/300 loss 2.3456 ETA 3h12m 1234 img/s lr 1.00e-03  44% " +
				"|████████            | (562/1251)",
		},
	} {
		t.Run(fmt.Sprint(test.columns), func(t *testing.T) {
			got := b.line(test.columns, 562, "epoch 12/300", []string{
				"loss 2.3456", "ETA 3h12m", "1234 img/s", "lr 1.00e-03",
			})
			if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(test.want), " ") {
				t.Errorf("%d columns:\n%q\nwant\n%q", test.columns, got, test.want)
			}
		})
	}
}

func TestRemaining(t *testing.T) {
	var got []string
	for _, d := range []time.Duration{
		0, 59400 * time.Millisecond, 75 * time.Second, 3*time.Hour + 5*time.Minute + 9*time.Second,
		50*time.Hour + time.Minute, 1 << 62,
	} {
		got = append(got, remaining(d))
	}
	if want := "0s 59s 1m15s 3h05m 2d2h 1000d+"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", strings.Join(got, " "), want)
	}
}

// The bar follows the width of the terminal, and lines of text appear above it.
func TestDisplayOnTerminal(t *testing.T) {
	var out strings.Builder
	columns := 100
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	clock = func() time.Time { at = at.Add(time.Second); return at }
	defer func() { clock = time.Now }()
	d := &Display{out: &out, tty: true, columns: func() int { return columns }}
	d.Begin("epoch 1/2", 0, 10)
	for step := range 10 {
		if step == 4 {
			columns = 24
		}
		d.Step(step+1, "epoch 1/2", "loss 1.2345", "ETA 99h59m")
		if step == 6 {
			d.Line("a line that is longer than the terminal is wide, as text may be")
		}
	}
	d.End()
	shown := 0
	for _, part := range strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\r' || r == '\n' }) {
		part = strings.ReplaceAll(part, "\x1b[K", "")
		if strings.HasPrefix(part, "a line") || strings.TrimSpace(part) == "" {
			continue
		}
		limit := 99
		if shown++; shown > 5 {
			limit = 23
		}
		if w := uniseg.StringWidth(part); w > limit {
			t.Errorf("%q has %d columns, want %d", part, w, limit)
		}
	}
	if shown != 11 {
		t.Errorf("drawn %d times\n%q", shown, out.String())
	}
	if _, after, _ := strings.Cut(out.String(), "as text may be"); !strings.HasPrefix(after, "\n\r") {
		t.Errorf("after the line: %.20q", after)
	}
	end := out.String()[len(out.String())-6:]
	if !strings.Contains(end, "\r") || strings.ContainsAny(end, "%0123456789") {
		t.Errorf("the bar is left: %q", fmt.Sprint(end))
	}
}
