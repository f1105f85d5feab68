package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

var folders = map[string]bool{"data": true, "cli": true, "internal": true}

// If the module path is one word, other texts have this word too.
func TestText(t *testing.T) {
	word := paths{from: "house", to: "example.org/a.b/c-d", folders: folders}
	for _, c := range []struct{ name, from, to string }{
		{"package", "see house/data.", "see example.org/a.b/c-d/data."},
		{"symbol", `-X house/cli.version=1`, `-X example.org/a.b/c-d/cli.version=1`},
		{"method in a profile", "house/data.(*reader).next", "example.org/a.b/c-d/data.(*reader).next"},
		{"pattern", "go vet house/internal/...", "go vet example.org/a.b/c-d/internal/..."},
		{"twice", "house/data,house/cli", "example.org/a.b/c-d/data,example.org/a.b/c-d/cli"},
		{"other word", "a house, house: house-cli, houses/data", ""},
		{"no folder with code", "house/vit and house/database", ""},
		{"end of another path", "runs/house/data ~/.cache/house/data a.house/data $X-house/data ${X}house/data", ""},
		{"address", "https://house/data", ""},
		{"replace", "replace house => ../house", "replace example.org/a.b/c-d => ../house"},
		{"replace a version", "house v0.0.0 => ../house", "example.org/a.b/c-d v0.0.0 => ../house"},
		{"replace in a block", "replace (\n\thouse => ../x\n)", "replace (\n\texample.org/a.b/c-d => ../x\n)"},
		{"require", "require house v0.0.0", "require example.org/a.b/c-d v0.0.0"},
		{"module", "module house\n", "module example.org/a.b/c-d\n"},
		{"module in a string", `"module house\n\n"`, `"module example.org/a.b/c-d\n\n"`},
		{"go get", "go get house@latest", "go get example.org/a.b/c-d@latest"},
		{
			"go mod edit", "go mod edit -replace house=../x -require=house@v0.0.0",
			"go mod edit -replace example.org/a.b/c-d=../x -require=example.org/a.b/c-d@v0.0.0",
		},
		{
			"prose",
			"we require house keys; replace house and go; the module house is large; build a house => rent it",
			"",
		},
		{"the name of the program", "go install house-train; replace house.x => y", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := c.to
			if want == "" {
				want = c.from
			}
			got := word.text(c.from)
			if got != want {
				t.Fatalf("got  %q\nwant %q", got, want)
			}
			if back := (paths{from: word.to, to: word.from, folders: folders}).text(got); back != c.from {
				t.Fatalf("back: got %q, want %q", back, c.from)
			}
		})
	}
}

func TestSource(t *testing.T) {
	p := paths{from: "m/n", to: "a.org/x", folders: folders}
	for _, c := range []struct{ name, from, to string }{
		{
			"kinds of imports",
			"package p\n\nimport (\n\t\"m/n\"\n\td \"m/n/data\"\n\t_ \"m/n/other\" // why\n\t\"m/next\"\n)\n",
			"package p\n\nimport (\n\t\"a.org/x\"\n\td \"a.org/x/data\"\n\t_ \"a.org/x/other\" // why\n" +
				"\t\"m/next\"\n)\n",
		},
		{
			"sorted again", "package p\n\nimport (\n\t\"fmt\"\n\t\"m/n/data\"\n)\n",
			"package p\n\nimport (\n\t\"a.org/x/data\"\n\t\"fmt\"\n)\n",
		},
		{"not formatted", "package p\nimport   `m/n/data`\n", "package p\nimport   \"a.org/x/data\"\n"},
		{
			"strings and comments",
			"package p // m/n/data\n\nvar s, u = \"m/n/cli.version\", \"m/n\"\n",
			"package p // a.org/x/data\n\nvar s, u = \"a.org/x/cli.version\", \"m/n\"\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := p.source("p.go", []byte(c.from))
			if err != nil || string(got) != c.to {
				t.Fatalf("%v, got\n%s\nwant\n%s", err, got, c.to)
			}
		})
	}
	if _, err := p.source("p.go", []byte("package p\nimport (")); err == nil {
		t.Error("broken source gives no error")
	}
}

func TestModule(t *testing.T) {
	const from = "module m/sub // of m v0.0.0\n\n" +
		"require (\n\tm v0.0.0 // indirect\n\tm.org/x v1.2.3\n)\n\n" +
		"replace m => ../m\n"
	for _, c := range []struct{ to, want string }{
		{
			"a.org/x",
			"module a.org/x/sub // of m v0.0.0\n\n" +
				"require (\n\ta.org/x v0.0.0 // indirect\n\tm.org/x v1.2.3\n)\n\n" +
				"replace a.org/x => ../m\n",
		},
		{
			"a.org/x/v3",
			"module a.org/x/v3/sub // of m v0.0.0\n\n" +
				"require (\n\ta.org/x/v3 v3.0.0 // indirect\n\tm.org/x v1.2.3\n)\n\n" +
				"replace a.org/x/v3 => ../m\n",
		},
	} {
		got := paths{from: "m", to: c.to}.module([]byte(from))
		if string(got) != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.to, got, c.want)
		}
		if back := (paths{from: c.to, to: "m"}).module(got); string(back) != from {
			t.Errorf("%s: back\n%s\nwant\n%s", c.to, back, from)
		}
	}
}

func TestProfile(t *testing.T) {
	field := func(b []byte, n protowire.Number, s string) []byte {
		return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), s)
	}
	made := func(module string) []byte {
		b := protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 77)
		b = field(b, 2, "m/data") // another field of the message
		b = field(b, stringTable, "")
		return field(b, stringTable, module+"/data.Read")
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(made("m"))
	w.Close()
	p := paths{from: "m", to: "a.org/x", folders: folders}
	for _, c := range []struct {
		name    string
		content []byte
	}{{"plain", made("m")}, {"gzip", packed.Bytes()}} {
		t.Run(c.name, func(t *testing.T) {
			got, err := p.profile(c.content)
			if err != nil {
				t.Fatal(err)
			}
			if c.name == "gzip" {
				r, err := gzip.NewReader(bytes.NewReader(got))
				if err != nil {
					t.Fatal(err)
				}
				if got, err = io.ReadAll(r); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, made("a.org/x")) {
				t.Errorf("%s: got %q", c.name, got)
			}
		})
	}
	if got, err := p.profile([]byte("not a profile")); err == nil {
		t.Errorf("got %q", got)
	}
}

// If the new path is in use already, it could not be told from the module's path afterwards.
func TestUsed(t *testing.T) {
	for _, c := range []struct{ name, file, content, to, want string }{
		{"a library", "go.mod", "module m\n\nrequire b.org/y v1.0.0\n", "b.org/y", "go.mod:3"},
		{"above a library", "go.mod", "module m\n\nrequire b.org/y v1.0.0\n", "b.org", "go.mod:3"},
		{"a comment", "go.mod", "module m // b.org/y\n", "b.org/y", ""},
		{"an import", "x.go", "package p\n\nimport _ \"b.org/y/z\"\n", "b.org/y", "x.go:3"},
		{"our own import", "x.go", "package p\n\nimport _ \"m/v2/data\"\n", "m", ""},
		{"a text", "x.md", "\nsee b.org/y/data\n", "b.org/y", "x.md:2"},
		{"another text", "x.md", "see b.org/y\n", "b.org/y", ""},
	} {
		f := &file{name: c.file, old: []byte(c.content)}
		if got := (paths{from: c.to, folders: folders}).used(f, "m/v2"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestUnknown(t *testing.T) {
	p := paths{from: "m", to: "b.org/y", folders: folders}
	f := &file{name: "x.md", new: []byte("b.org/y/data\nm/old and m/data\n")}
	if got := p.unknown(f); len(got) != 1 || got[0] != "x.md:2: m/old" {
		t.Errorf("got %q", got)
	}
}
