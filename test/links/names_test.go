package links_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// names returns the names that Go files declare: "pkg.Name", "pkg.Type.Member" and, for tests, "TestName".
func names(t *testing.T, files []text) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, f := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), f.name, f.content, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		pkg := strings.TrimSuffix(parsed.Name.Name, "_test")
		if pkg == "main" {
			pkg = path.Base(path.Dir(f.name))
		}
		for _, d := range parsed.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					found[pkg+"."+d.Name.Name] = true
					if strings.HasSuffix(f.name, "_test.go") {
						found[d.Name.Name] = true
					}
					continue
				}
				found[pkg+"."+receiver(d.Recv.List[0].Type)+"."+d.Name.Name] = true
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.ValueSpec:
						for _, n := range s.Names {
							found[pkg+"."+n.Name] = true
						}
					case *ast.TypeSpec:
						found[pkg+"."+s.Name.Name] = true
						for _, m := range members(s.Type) {
							found[pkg+"."+s.Name.Name+"."+m] = true
						}
					}
				}
			}
		}
	}
	return found
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// members returns the fields of a struct, or the methods of an interface.
func members(e ast.Expr) []string {
	var list *ast.FieldList
	switch e := e.(type) {
	case *ast.StructType:
		list = e.Fields
	case *ast.InterfaceType:
		list = e.Methods
	default:
		return nil
	}
	var all []string
	for _, f := range list.List {
		for _, n := range f.Names {
			all = append(all, n.Name)
		}
		if len(f.Names) == 0 {
			all = append(all, receiver(f.Type))
		}
	}
	return all
}

var (
	// goName matches a name of a package in a code span. Keys of YAML have only small letters.
	goName   = regexp.MustCompile("`(?:[a-z0-9]+/)*\\*?([a-z0-9]+)\\.([A-Za-z]*[A-Z]\\w*)(?:\\.([A-Za-z]\\w*))?[(`]")
	testName = regexp.MustCompile(`\b((?:Test|Benchmark)[A-Z]\w*)(…?)`)
	fuzzName = regexp.MustCompile(`\bFuzz[A-Z]\w*`)
	// commentName matches a name of a package in a comment of Go.
	commentName = regexp.MustCompile(`\b([a-z0-9]+)\.([A-Z]\w*)`)
)

// others lists packages and variables outside of the module that pages name.
var others = []string{"http", "os", "t"}

// undeclared returns the names of Go and of tests in a page that no file declares.
func undeclared(page string, declared map[string]bool) []string {
	var missing []string
	prose := fence.ReplaceAllString(page, "")
	for _, m := range goName.FindAllStringSubmatch(prose, -1) {
		name := m[1] + "." + m[2]
		if m[3] != "" {
			name += "." + m[3]
		}
		if !slices.Contains(others, m[1]) && !declared[name] {
			missing = append(missing, name)
		}
	}
	for _, name := range fuzzName.FindAllString(prose, -1) {
		if !declared[name] {
			missing = append(missing, name)
		}
	}
	for _, code := range span.FindAllString(page, -1) {
		for _, m := range testName.FindAllStringSubmatch(code, -1) {
			ok := declared[m[1]]
			for name := range declared { // a shortened name, or a pattern of -run
				ok = ok ||
					(m[2] != "" || strings.Contains(code, "-run") || strings.Contains(code, "-bench")) &&
						strings.HasPrefix(name, m[1])
			}
			if !ok {
				missing = append(missing, m[1])
			}
		}
	}
	return missing
}

func TestNames(t *testing.T) {
	files := texts(t, func(name string) bool { return path.Ext(name) == ".go" })
	declared := names(t, files)
	for _, page := range texts(t, func(name string) bool { return isPage(name) && !isHistory(name) }) {
		for _, name := range undeclared(page.content, declared) {
			t.Errorf("%s names %s, which no Go file declares", page.name, name)
		}
	}
	for _, f := range files {
		for _, name := range staleComments(f.content, declared) {
			t.Errorf("%s: a comment names %s, which no Go file declares", f.name, name)
		}
	}
}

// staleComments returns the names of our packages in the comments of a Go file that are not declared.
func staleComments(content string, declared map[string]bool) []string {
	ours := map[string]bool{}
	for name := range declared {
		if pkg, _, ok := strings.Cut(name, "."); ok {
			ours[pkg] = true
		}
	}
	var stale []string
	for line := range strings.Lines(content) {
		code, comment, ok := strings.Cut(line, "// ")
		if !ok || strings.ContainsAny(code, "\"`") {
			continue
		}
		for _, m := range commentName.FindAllStringSubmatch(comment, -1) {
			if ours[m[1]] && !declared[m[0]] {
				stale = append(stale, m[0])
			}
		}
	}
	return stale
}

func TestUndeclared(t *testing.T) {
	declared := names(t, []text{
		{"ops/a.go",
			"package ops\ntype Tape struct{ Kernels int }\nfunc (t *Tape[T]) Record() {}\nvar Known, " +
				"plainName = 1, 2\ntype R interface{ Run() }\n"},
		{"ops/a_test.go", "package ops_test\nfunc TestOne(t *T) {}\nfunc FuzzTape(f *F) {}\n"},
	})
	for _, c := range []struct{ name, page, want string }{
		{"there",
			"`ops.Tape`, `ops.Tape.Record`, `ops.Tape.Kernels`, `ops.Known`, `ops.plainName`, `ops.R.Run()`, " +
				"`TestOne`, `TestO…`, `go test -run TestO`",
			""},
		{"gone", "`ops.Tapes`, `ops.Tape.Recorded`, `ops.plainNames`, `TestO`, `TestTwo…`",
			"ops.Tapes ops.Tape.Recorded ops.plainNames TestO TestTwo"},
		{"keys and others", "`ops.some_key`, `http.Get`, ops.Tapes", ""},
		{"no package", "`op.Tape`", "op.Tape"},
		{"fuzz targets", "`ops` FuzzTape and FuzzTapes", "FuzzTapes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(undeclared(c.page, declared), " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestStaleComments(t *testing.T) {
	declared := map[string]bool{"ops.Tape": true}
	text := "// ops.Tape and ops.Tapes, http.Get\nx := 1 // as ops.Record\ny := \"// ops.Text\"\n"
	if got := strings.Join(staleComments(text, declared), " "); got != "ops.Tapes ops.Record" {
		t.Errorf("got %q", got)
	}
}

// Every package says in one file what it is for.
func TestPackageDocs(t *testing.T) {
	docs, packages := map[string][]string{}, map[string]bool{}
	for _, f := range texts(t, func(name string) bool { return path.Ext(name) == ".go" }) {
		folder := path.Dir(f.name)
		packages[folder] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), f.name, f.content,
			parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if doc := parsed.Doc.Text(); strings.HasPrefix(doc, "Package ") || strings.HasPrefix(doc, "Command ") {
			docs[folder] = append(docs[folder], path.Base(f.name))
		}
	}
	for folder := range packages {
		if len(docs[folder]) != 1 {
			t.Errorf("%s: the package is described in %d files, want one: %v", folder, len(docs[folder]), docs[folder])
		}
	}
}
