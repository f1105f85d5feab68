package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/checkpoints"
)

func TestVerify(t *testing.T) {
	dir, args := tinyRun(t, fashion(t, 40, 10))
	succeed(t, append(args, "--set", "train.epochs=1", "--set", "sched.warmup_epochs=0")...)
	last := filepath.Join(dir, "checkpoints", checkpoints.Last)
	r := invoke(t, "verify", dir, last)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if r.code != 0 || len(lines) < 4 || strings.Count(r.stdout, ": ok: ") != len(lines) {
		t.Errorf("a run that is whole: %+v", r)
	}
	whole, err := os.Stat(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(last, whole.Size()*3/4); err != nil {
		t.Fatal(err)
	}
	fail(t, 1, "2 of 2 are damaged", "verify", dir, last)
	r = invoke(t, "verify", dir)
	if !strings.Contains(r.stdout, "it is cut off") ||
		!strings.Contains(r.stdout, "--resume goes on from epoch-000.safetensors, after 1 epoch") {
		t.Errorf("a run with a torn checkpoint: %+v", r)
	}
	r = invoke(t, "verify", "--json", dir)
	if r.code != 1 || !strings.HasPrefix(r.stdout, `{"path":"`+dir) {
		t.Errorf("as JSON: %+v", r)
	}
	fail(t, 1, "no such file", "verify", filepath.Join(dir, "none"))
	fail(t, 1, "want a file", "verify", filepath.Join(dir, "log.jsonl"))
	fail(t, 2, "want PATH..., got nothing", "verify")
}
