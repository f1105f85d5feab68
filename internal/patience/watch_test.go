//go:build unix

package patience

import (
	"os/exec"
	"testing"
)

// A process that ends in time is not killed.
func TestWatch(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exit 3")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hung := Watch(cmd)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 3 || hung() {
		t.Errorf("%v; killed: %v", err, hung())
	}
}
