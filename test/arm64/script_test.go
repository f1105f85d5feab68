package arm64

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The tests that the script names exist, so that none is lost when a test gets another name.
func TestScriptNamesTests(t *testing.T) {
	const root = "../.."
	script, err := os.ReadFile(filepath.Join(root, "scripts", "test-arm64.sh"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`-(?:run|skip) '\^Test\(([\w|]+)\)(\w*)\$' \./([\w/]+)`)
	lines := named.FindAllStringSubmatch(string(script), -1)
	n := strings.Count(string(script), "-run '") + strings.Count(string(script), "-skip '")
	if len(lines) < 3 || len(lines) != n {
		t.Fatalf("%d of %d choices of tests are understood", len(lines), n)
	}
	for _, l := range lines {
		files, err := filepath.Glob(filepath.Join(root, l[3], "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("no tests in %s (%v)", l[3], err)
		}
		var source strings.Builder
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(text)
		}
		for _, name := range strings.Split(l[1], "|") {
			if !strings.Contains(source.String(), "\nfunc Test"+name+l[2]+"(t *testing.T)") {
				t.Errorf("%s has no Test%s, which scripts/test-arm64.sh names", l[3], name+l[2])
			}
		}
	}
}
