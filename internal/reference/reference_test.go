package reference

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"hf://timm/fasternet_t0.in1k", "timm/fasternet_t0.in1k main "},
		{"hf-hub:timm/fasternet_t0.in1k", "timm/fasternet_t0.in1k main "},
		{"hf_hub:timm/fasternet_t0.in1k", "timm/fasternet_t0.in1k main "},
		{"HF://timm/a", "timm/a main "},
		{"hf://timm/a@v1.0", "timm/a v1.0 "},
		{"hf://timm/a@0123456789abcdef0123456789abcdef01234567", "timm/a 0123456789abcdef0123456789abcdef01234567 "},
		{"hf://timm/a@refs/pr/3", "timm/a refs/pr/3 "},
		{"hf://timm/a@refs/pr/3/sub/x.bin", "timm/a refs/pr/3 sub/x.bin"},
		{"hf://timm/a/pytorch_model.bin", "timm/a main pytorch_model.bin"},
		{"hf://timm/a@v2/sub/w.safetensors", "timm/a v2 sub/w.safetensors"},
		{"https://huggingface.co/timm/a", "timm/a main "},
		{"https://huggingface.co/timm/a/", "timm/a main "},
		{"https://hf.co/timm/a/tree/v2", "timm/a v2 "},
		{"https://huggingface.co/timm/a/blob/main/model.safetensors", "timm/a main model.safetensors"},
		{"https://huggingface.co/timm/a/resolve/v2/x/m.pth?download=true", "timm/a v2 x/m.pth"},
		{"https://example.org/a/t0.pth", "https://example.org/a/t0.pth"},
		{"http://127.0.0.1:80/t0.safetensors?x=1", "http://127.0.0.1:80/t0.safetensors?x=1"},
		{"https://example.org/model.pth.tar", "https://example.org/model.pth.tar"},
		{"https://example.org/t0.pth#sha256=" + strings.Repeat("aB", 32),
			"https://example.org/t0.pth " + strings.Repeat("ab", 32)},
	} {
		t.Run(c.text, func(t *testing.T) {
			if !IsReference(c.text) {
				t.Error("no reference")
			}
			r, err := Parse(c.text)
			if err != nil {
				t.Fatal(err)
			}
			got := r.Repo + " " + r.Revision + " " + r.File
			if r.URL != "" {
				got = strings.TrimSpace(r.URL + " " + r.SHA256)
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if r.Repo == "" {
				return
			}
			if again, err := Parse(r.String()); err != nil || again != r {
				t.Errorf("%s: %+v, %v", r, again, err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"hf://", "want ORG/NAME"},
		{"hf://resnet", "want ORG/NAME"},
		{"hf:///name", "want ORG/NAME"},
		{"hf://org/", "want ORG/NAME"},
		{"hf://org/../../etc", "want ORG/NAME"},
		{"hf://../x", "want ORG/NAME"},
		{"hf://org/a--b", "want ORG/NAME"},
		{"hf://org/.hidden", "want ORG/NAME"},
		{"hf://org/a b", "want ORG/NAME"},
		{"hf://org/a\\b", "want ORG/NAME"},
		{"hf://org/a\x00", "want ORG/NAME"},
		{"hf://org/a@", "revision"},
		{"hf://org/a@../../x", "revision"},
		{"hf://org/a@-x", "revision"},
		{"hf://org/a@refs", "refs/pr/1"},
		{"hf://org/a/../../../x.bin", "want the name of a file"},
		{"hf://org/a//etc/x.bin", "want the name of a file"},
		{"hf://org/a/..%2f..%2fx.bin", ""},
		{"hf://org/a/C:\\x.bin", "want the name of a file"},
		{"hf://org/a/README.md", "want a file that ends in"},
		{"hf://org/a/sub", "want a file that ends in"},
		{"hf://org/a/model-00001-of-00002.safetensors", "has only a part of the weights"},
		{"https://example.org/pytorch_model-00002-of-00003.bin", "has only a part of the weights"},
		{"https://huggingface.co/timm", "want the page of a model"},
		{"https://huggingface.co/datasets/a/b", "not of datasets"},
		{"https://huggingface.co/timm/a/discussions/1", "want the page of a model"},
		{"https://huggingface.co/timm/a/resolve/main/../../x.pth", ""},
		{"https://example.org/", "not the name of a file of weights"},
		{"https://example.org/page.html", "want a URL that ends in"},
		{"https://user:secret@example.org/a.pth", "password"},
		{"https:///a.pth", "no host"},
		{"https://example.org/a.pth#sha256=12", "64 hex digits"},
		{"https://example.org/%2e%2e%2f.pth", ""},
		{"ftp://example.org/a.pth", "want hf://ORG/NAME or https://"},
		{"s3://bucket/a.pth", "want hf://ORG/NAME or https://"},
		{"https://exa mple.org/a.pth", "invalid"},
	} {
		t.Run(c.text, func(t *testing.T) {
			if !IsReference(c.text) {
				t.Error("no reference")
			}
			r, err := Parse(c.text)
			if c.says == "" { // it may be valid, but only as a file in the folder
				if err == nil && strings.Contains(r.File, "..") && strings.ContainsAny(r.File, `/\`) {
					t.Errorf("%+v", r)
				}
				return
			}
			if !errors.Is(err, ErrReference) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%+v, %v: want %q", r, err, c.says)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
	for _, path := range []string{"runs/t0", "t0.pth", "timm/fasternet_t0.in1k", `C:\t0.pth`, "./hf", "", "hf", "a:b"} {
		if IsReference(path) {
			t.Errorf("%q is a path", path)
		}
	}
}

func TestLooksLikeRepository(t *testing.T) {
	for text, want := range map[string]bool{
		"timm/fasternet_t0.in1k": true,
		"runs/a":                 true,
		"t0":                     false,
		"/a/b":                   false,
		"../a":                   false,
		"a/b/c":                  false,
		"a/b.pth":                false,
	} {
		if got := LooksLikeRepository(text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"hf://timm/a@main/x.bin", "https://example.org/a.pth", "hf://a/../b@../c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		for _, part := range strings.Split(r.Repo+"/"+r.Revision+"/"+r.File, "/") {
			if part == ".." || strings.ContainsAny(part, "\\\x00") {
				t.Errorf("%q: %+v", text, r)
			}
		}
	})
}
