package cli

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"fasternet/internal/patience"
)

func TestReportCommand(t *testing.T) {
	data := fashion(t, 80, 40)
	first, args := tinyRun(t, data)
	succeed(t, append(args, "--set", "train.epochs=1", "--set", "log.histogram_interval=1")...)
	second, args := tinyRun(t, data)
	succeed(t, append(args, "--set", "train.epochs=1", "--set", "optim.lr=0.5", "--set", "log.tensorboard=false")...)
	if _, err := os.Stat(filepath.Join(second, "tensorboard")); err == nil {
		t.Error("event files that nobody wants")
	}
	out := filepath.Join(t.TempDir(), "both.html")
	got := succeed(t, "report", first, second, "--out", out)
	page, err := os.ReadFile(out)
	if err != nil ||
		got["out"] != out ||
		!strings.Contains(string(page), "optim.lr") ||
		!strings.Contains(string(page), "Confusion matrix") {
		t.Errorf("%v, %v: no page that compares", got, err)
	}
	// A run without classes in its folder is evaluated.
	for _, name := range []string{"evaluation.json", "launches.jsonl", "report.html"} {
		if err := os.Remove(filepath.Join(first, name)); err != nil {
			t.Fatal(err)
		}
	}
	succeed(t, "report", first, "--fast")
	fast, _ := os.ReadFile(filepath.Join(first, "report.html"))
	succeed(t, "report", first)
	whole, _ := os.ReadFile(filepath.Join(first, "report.html"))
	if strings.Contains(string(fast), "Confusion matrix") ||
		!strings.Contains(string(whole), "Confusion matrix") ||
		!strings.Contains(string(whole), "data:image/png") {
		t.Error("--fast evaluates, or nothing does")
	}
	fail(t, 2, "--out: want a file", "report", first, second)
	fail(t, 2, "it has no config.yaml", "report", t.TempDir())
	fail(t, 2, "choose one", "report", first, "--out", out, "--serve", ":0")
	fail(t, 2, "--serve: want host:port", "report", first, "--serve", "8080")
	fail(t, 1, "--out", "report", first, "--out", filepath.Join(t.TempDir(), "none", "x.html"))
	args[len(args)-1] = filepath.Join(t.TempDir(), "third")
	fail(t, 2, "--metrics-addr: want host:port", append(args, "--metrics-addr", "x")...)
	fail(t, 2, "log.histogram_interval", append(args, "--set", "log.tensorboard=false",
		"--set", "log.histogram_interval=2")...)
}

// A run shows its page and metrics while it trains, only on this machine, and stops as usual.
func TestServe(t *testing.T) {
	_, args := tinyRun(t, fashion(t, 200, 50))
	cmd := command(append(args, "--set", "train.epochs=100000", "--set", "checkpoint.every_steps=0",
		"--serve", "127.0.0.1:0", "--metrics-addr", ":0")...)
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	address := regexp.MustCompile(`^(report|metrics): (http://127\.0\.0\.1:\d+/\S*)`)
	at := map[string]string{}
	lines := bufio.NewScanner(errs)
	for len(at) < 2 && lines.Scan() {
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			at[m[1]] = m[2]
		}
	}
	go io.Copy(io.Discard, errs)
	get := func(url, host string) (int, string) {
		r, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body)
	}
	patience.Until(t, "the page shows the run and the metrics have its scores", func() bool {
		_, page := get(at["report"], "")
		_, metrics := get(at["metrics"], "")
		return strings.Contains(page, "running") &&
			strings.Contains(page, "Learning rate") &&
			strings.Contains(metrics, "fasternet_eval_loss") &&
			strings.Contains(metrics, "\nfasternet_loss ")
	})
	for _, url := range at {
		if code, _ := get(url, "evil.example"); code != http.StatusMisdirectedRequest {
			t.Errorf("%s as another host: %d", url, code)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 143 {
		t.Errorf("exit code %d, want 143", got)
	}
}
