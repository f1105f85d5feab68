package cli

import (
	"bytes"
	"strings"
	"testing"
)

func TestPrefixedLines(t *testing.T) {
	var out bytes.Buffer
	p := &prefixed{out: &out, prefix: "[rank 3] "}
	for _, s := range []string{"a", "b\nc", "\n\n", "rest"} {
		if n, err := p.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := "[rank 3] ab\n[rank 3] c\n[rank 3] \n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestRankTimeout(t *testing.T) {
	r := ranks{timeout: 10}
	if err := r.open(); err == nil || !strings.Contains(err.Error(), "--rank-timeout") {
		t.Errorf("got %v", err)
	}
	r = ranks{timeout: 1e9}
	if err := r.open(); err != nil || r.Size() != 1 || !r.first() {
		t.Errorf("got %v, %d ranks", err, r.Size())
	}
	if err := r.leave(nil); err != nil {
		t.Error(err)
	}
}
