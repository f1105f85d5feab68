// Package links_test checks that everything that the pages name exists: links and anchors, files,
// packages, names in Go, tests, and targets of make.
package links_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

var root = filepath.Join("..", "..")

// text is a file that names others. Its own name is relative to the root, with slashes.
type text struct {
	name, content string
}

// project lists the files of the repository, relative to the root, with slashes: the files that git
// knows, or without git all files outside of folders that programs write.
var project = func() func(t *testing.T) []string {
	var once sync.Once
	var files []string
	var failure error
	return func(t *testing.T) []string {
		t.Helper()
		once.Do(func() { files, failure = listProject() })
		if failure != nil {
			t.Fatal(failure)
		}
		return files
	}
}()

func listProject() (files []string, err error) {
	list := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z")
	list.Dir = root
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		if out, err := list.Output(); err == nil {
			for _, name := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
				if exists(name) { // a removed file is still in the index
					files = append(files, name)
				}
			}
			return files, nil
		}
	}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			base := d.Name()
			if name != root && (base == "dist" || base == "runs" || base[0] == '.' && base != ".github") {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, name)
		files = append(files, filepath.ToSlash(rel))
		return err
	})
	return files, err
}

// texts returns the files of the repository for which want is true.
func texts(t *testing.T, want func(name string) bool) []text {
	t.Helper()
	var all []text
	for _, name := range project(t) {
		inside := strings.Split(path.Dir(name), "/")
		if !want(name) || slices.Contains(inside, "testdata") || slices.Contains(inside, "node_modules") {
			continue
		}
		at := filepath.Join(root, filepath.FromSlash(name))
		if info, err := os.Lstat(at); err != nil || !info.Mode().IsRegular() {
			continue
		}
		content, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text{name, string(content)})
	}
	return all
}

func isPage(name string) bool { return path.Ext(name) == ".md" }

// isScript reports whether a file other than Go names files in comments and commands.
func isScript(name string) bool {
	switch path.Ext(name) {
	case ".sh", ".py", ".yaml", ".yml", ".sbatch":
		return true
	}
	base := path.Base(name)
	return base == "Makefile" || base == "Containerfile"
}

func exists(name string) bool {
	_, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)))
	return err == nil
}

var (
	fence    = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	span     = regexp.MustCompile("`[^`]+`")
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ +(.+?) *#*$`)
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors returns the anchors of a page, which GitHub makes from the headings.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		title := link.ReplaceAllString(m[1], "]")
		found[strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(title), ""), " ", "-")] = true
	}
	return found
}

// deadLinks returns the relative links of a page that lead nowhere.
func deadLinks(page text, read func(name string) (string, bool)) []string {
	var dead []string
	prose := span.ReplaceAllString(fence.ReplaceAllString(page.content, ""), "")
	for _, m := range link.FindAllStringSubmatch(prose, -1) {
		target, anchor, _ := strings.Cut(m[1], "#")
		if strings.Contains(target, ":") {
			continue // a link to the web
		}
		name := page.name
		if target != "" {
			name = path.Join(path.Dir(page.name), target)
		}
		content, ok := read(name)
		if target == "" {
			content, ok = page.content, true
		}
		if !ok || anchor != "" && !anchors(content)[anchor] {
			dead = append(dead, m[1])
		}
	}
	return dead
}

func TestLinks(t *testing.T) {
	pages := texts(t, isPage)
	if len(pages) < 15 {
		t.Fatalf("only %d pages found", len(pages))
	}
	read := func(name string) (string, bool) {
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		return string(content), err == nil || exists(name)
	}
	for _, page := range pages {
		for _, dead := range deadLinks(page, read) {
			t.Errorf("%s: the link (%s) leads nowhere", page.name, dead)
		}
	}
}

func TestDeadLinks(t *testing.T) {
	files := map[string]string{
		"docs/a.md": "# A title, `with` (signs) – and more\n\n```sh\n# no title\n```\n\n## Second\n",
		"x.png":     "",
	}
	read := func(name string) (string, bool) {
		content, ok := files[name]
		return content, ok
	}
	for _, c := range []struct{ name, page, want string }{
		{"file", "[a](docs/a.md) and ![x](x.png)", ""},
		{"web", "[a](https://example.org/docs/b.md)", ""},
		{"no file", "[a](docs/b.md)", "docs/b.md"},
		{"anchor", "[a](docs/a.md#second) [b](docs/a.md#a-title-with-signs--and-more)", ""},
		{"no anchor", "[a](docs/a.md#third)", "docs/a.md#third"},
		{"no anchor in code", "[a](docs/a.md#no-title)", "docs/a.md#no-title"},
		{"own anchor", "## Mine\n[a](#mine) [b](#yours)", "#yours"},
		{"in code", "`[a](docs/b.md)`\n```\n[a](docs/b.md)\n```\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(deadLinks(text{"page.md", c.page}, read), " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// folders returns the folders at the top: a path that begins with one is meant to be ours. Folders that
// a user makes in a checkout, such as runs and data sets, do not count.
func folders(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, file := range project(t) {
		if top, _, below := strings.Cut(file, "/"); below && top[0] != '.' && !slices.Contains(names, top) {
			names = append(names, top)
		}
	}
	return names
}

// file finds paths with the ending of a source that are not the end of a longer path.
var file = regexp.MustCompile(`(?:^|[^\w./$~*>}…-])` +
	`((?:\.\./)*[\w-]+(?:/[\w.-]+)*/[\w.-]+\.(?:go|md|sh|py|ya?ml|s|pgo|sbatch|svg))\b`)

// missingFiles returns the files that a text names and that are neither below the root nor next to the text.
func missingFiles(from text, top []string, exists func(string) bool) []string {
	var missing []string
	for _, m := range file.FindAllStringSubmatch(from.content, -1) {
		below, _, _ := strings.Cut(m[1], "/")
		if below != ".." && !slices.Contains(top, below) {
			continue // not ours
		}
		if !exists(path.Clean(m[1])) && !exists(path.Join(path.Dir(from.name), m[1])) {
			missing = append(missing, m[1])
		}
	}
	return missing
}

// folder matches a path without an ending, alone in a code span: a package or another folder.
var folder = regexp.MustCompile("`((?:[a-z0-9_-]+/)+[a-z0-9_-]+)/?`")

// missingFolders returns the folders that a page names and that do not exist.
func missingFolders(page text, top []string, exists func(string) bool) []string {
	var missing []string
	for _, m := range folder.FindAllStringSubmatch(fence.ReplaceAllString(page.content, ""), -1) {
		below, _, _ := strings.Cut(m[1], "/")
		if slices.Contains(top, below) && below != "testdata" && !exists(m[1]) { // many packages have a testdata
			missing = append(missing, m[1])
		}
	}
	return missing
}

// goCommand matches a call of the go command; argument matches its packages.
var (
	goCommand = regexp.MustCompile(`\bgo (?:test|run|build|vet|generate|doc)\b[^\n;&|)` + "`" + `#]*`)
	argument  = regexp.MustCompile(`(?:^|\s)(\./[\w./-]*)`)
)

// missingPackages returns the packages that the go commands of a text name and that do not exist.
func missingPackages(from text, exists func(string) bool) []string {
	var missing []string
	for _, command := range goCommand.FindAllString(from.content, -1) {
		for _, m := range argument.FindAllStringSubmatch(command, -1) {
			if name := path.Clean(strings.TrimSuffix(m[1], "/...")); !exists(name) {
				missing = append(missing, m[1])
			}
		}
	}
	return missing
}

// isHistory reports whether a page tells the history: it keeps old names.
func isHistory(name string) bool { return name == "CHANGELOG.md" }

func TestFilesAndPackages(t *testing.T) {
	top := folders(t)
	for _, from := range texts(t, func(name string) bool {
		return isPage(name) && !isHistory(name) || isScript(name)
	}) {
		for _, name := range missingFiles(from, top, exists) {
			t.Errorf("%s names %s, which does not exist", from.name, name)
		}
		for _, name := range missingPackages(from, exists) {
			t.Errorf("%s calls go with the package %s, which does not exist", from.name, name)
		}
		if isPage(from.name) {
			for _, name := range missingFolders(from, top, exists) {
				t.Errorf("%s names the folder %s, which does not exist", from.name, name)
			}
		}
	}
	// In Go files, check only pages and scripts: other paths are files that tests make.
	ours := regexp.MustCompile(`\b(?:docs|scripts|deploy)/[\w./-]*\w`)
	for _, from := range texts(t, func(name string) bool {
		return path.Ext(name) == ".go" &&
			!strings.HasPrefix(name, "test/links/") &&
			!strings.HasPrefix(name, "scripts/")
	}) {
		for _, m := range file.FindAllStringSubmatch(from.content, -1) {
			if ours.MatchString(m[1]) && !exists(path.Clean(m[1])) && !exists(path.Join(path.Dir(from.name), m[1])) {
				t.Errorf("%s names %s, which does not exist", from.name, m[1])
			}
		}
	}
}

func TestMissing(t *testing.T) {
	files := []string{".", "data", "data/sets", "data/a.go", "docs", "docs/b.md", "cmd", "cmd/x"}
	exists := func(name string) bool { return slices.Contains(files, name) }
	top := []string{"data", "docs", "cmd"}
	for _, c := range []struct{ name, text, want string }{
		{"files", "`data/a.go`, docs/b.md and (../data/a.go)", ""},
		{"no file", "see `data/b.go`, docs/c.md.", "data/b.go docs/c.md"},
		{"next to it", "[b](b.md) [c](../docs/c.md)", "../docs/c.md"},
		{"of others", "runs/x.yaml, /etc/data/x.go, $HOME/docs/x.md, src/data/x.go", ""},
		{"folder", "`data/sets`, `data/set/`, `data/set x`", "data/set"},
		{"folder in a block", "```\n`data/set`\n```\n", ""},
		{"packages", "`go test -run X ./data`, go build -o x ./cmd/x && go vet ./...", ""},
		{"no package", "go run ./cmd/y -x; go test ./datas/...", "./cmd/y ./datas/..."},
	} {
		t.Run(c.name, func(t *testing.T) {
			from := text{"docs/page.md", c.text}
			got := slices.Concat(
				missingFiles(from, top, exists), missingFolders(from, top, exists), missingPackages(from, exists))
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestMakeTargets(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z][\w-]*):`).FindAllStringSubmatch(string(makefile), -1) {
		targets[m[1]] = true
	}
	named := 0
	for _, page := range texts(t, func(name string) bool { return isPage(name) && !isHistory(name) }) {
		target := regexp.MustCompile("(?m)(?:`|^\\s*(?:\\$ )?|&& |[A-Z_]+=\\w+ )make ([a-z][\\w-]*)")
		for _, m := range target.FindAllStringSubmatch(page.content, -1) {
			named++
			if !targets[m[1]] {
				t.Errorf("%s: the Makefile has no target %s", page.name, m[1])
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d targets found in the pages", named)
	}
}

// Every library that a module requires has its reason in docs/dependencies.md, and no other library does.
func TestDependencies(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range regexp.MustCompile(`(?m)^\| (`+"`.*?"+`) \|`).FindAllStringSubmatch(string(page), -1) {
		for _, name := range span.FindAllString(row[1], -1) {
			if name = strings.Trim(name, "`"); strings.Contains(name, "/") {
				listed = append(listed, name)
			}
		}
	}
	direct, known := map[string]string{}, map[string]bool{}
	for _, mod := range texts(t, func(name string) bool { return path.Base(name) == "go.mod" }) {
		required := regexp.MustCompile(`(?m)^(?:require )?\s*(\S+\.\S+/\S+) v\S+( // indirect)?$`)
		for _, m := range required.FindAllStringSubmatch(mod.content, -1) {
			if strings.HasSuffix(strings.TrimSuffix(m[0], m[2]), " v0.0.0") {
				continue // the framework itself, which a replace directive names
			}
			known[m[1]] = true
			if m[2] == "" {
				direct[m[1]] = mod.name
			}
		}
	}
	if len(direct) < 20 {
		t.Fatalf("only %d dependencies found", len(direct))
	}
	for name, mod := range direct {
		if !slices.ContainsFunc(listed, func(l string) bool { return l == name || strings.HasPrefix(l, name+"/") }) {
			t.Errorf("docs/dependencies.md does not say what %s of %s is for", name, mod)
		}
	}
	for _, l := range listed {
		mod := l
		for !known[mod] && strings.Contains(mod, "/") { // a package of a module
			mod = path.Dir(mod)
		}
		if !known[mod] {
			t.Errorf("docs/dependencies.md has %s, which no module asks for", l)
		}
	}
}

// The picture of the floors has every package. Packages in internal have only the last part of their names.
func TestPictureHasPackages(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "internals", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	words := regexp.MustCompile(`[a-z0-9-]+(?:/[a-z0-9-]+)*`)
	for _, word := range words.FindAllString(fence.FindString(string(page)), -1) {
		named[word] = true
	}
	families, err := os.ReadFile(filepath.Join(root, "graph", "families", "families.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range texts(t, func(name string) bool {
		return path.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go")
	}) {
		folder := path.Dir(f.name)
		if strings.Contains(string(families), "/"+folder+`"`) {
			continue // the table of families lists them
		}
		top, rest, _ := strings.Cut(folder, "/")
		if slices.Contains([]string{"test", "scripts", "experiments", "examples", "deploy"}, top) ||
			folder == "kernels/gen" {
			continue
		}
		if named[folder] = named[folder] || top == "internal" && named[rest]; !named[folder] {
			t.Errorf("the first picture of docs/internals/architecture.md has no %s", folder)
			named[folder] = true // report it only once
		}
	}
}
