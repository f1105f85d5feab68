package hub

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/internal/reference"
)

// Cached is a version of a model in the cache.
type Cached struct {
	Reference    string   `json:"reference"`
	Architecture string   `json:"architecture,omitempty"` // timm's name, from config.json
	Revisions    []string `json:"revisions,omitempty"`    // branches and tags that lead to it
	Commit       string   `json:"commit,omitempty"`
	Bytes        int64    `json:"bytes"` // size of the weights and their description
	Weights      string   `json:"weights"`
}

// Contents describes the content of the caches.
type Contents struct {
	Models []Cached `json:"models"`
	// Others is the number of models in the cache of the hub that do not come from timm.
	Others int `json:"others"`
	// Incomplete is the size of unfinished downloads in bytes.
	Incomplete int64 `json:"incomplete_bytes"`
}

// List describes the content of the caches. It only counts models of other programs, and leaves out
// files that cannot be read.
func (c *Client) List() Contents {
	out := Contents{Models: []Cached{}}
	entries, _ := os.ReadDir(c.settings.Cache)
	for _, e := range entries {
		name, isModel := strings.CutPrefix(e.Name(), "models--")
		org, model, whole := strings.Cut(name, "--")
		if !isModel || !whole {
			continue
		}
		r, err := reference.Model(org, model, reference.DefaultRevision, "")
		if err != nil {
			continue
		}
		dir := filepath.Join(c.settings.Cache, e.Name())
		versions := c.versions(r)
		out.Models = append(out.Models, versions...)
		if len(versions) == 0 && !c.isTimms(r) {
			out.Others++
		}
		for _, p := range glob(dir, "blobs", "*.incomplete") {
			// Python's names have a random part; such downloads are not resumed
			if strings.Count(filepath.Base(p), ".") == 1 {
				out.Incomplete += sizeOf(p)
			}
		}
	}
	for _, p := range glob(c.settings.URLCache, "*", "*.incomplete") {
		out.Incomplete += sizeOf(p)
	}
	for _, path := range glob(c.settings.URLCache, "*", "*"+originEnding) {
		p := place{dir: filepath.Dir(path), path: strings.TrimSuffix(path, originEnding)}
		if filepath.Base(p.path) == reference.ConfigFile || !p.whole() {
			continue
		}
		m := Cached{Reference: reference.Shown(p.origin().URL), Bytes: sizeOf(p.path), Weights: p.path}
		if f := p.fetched(reference.Reference{}); f.Config != "" {
			m.Architecture = architecture(f.Config)
			m.Bytes += sizeOf(f.Config)
		}
		out.Models = append(out.Models, m)
	}
	return out
}

// versions returns the versions of a model that have weights, and were saved by timm or have no
// description.
func (c *Client) versions(r reference.Reference) (out []Cached) {
	repo := c.repository(r.Repo)
	commits, _ := os.ReadDir(filepath.Join(repo.dir, "snapshots"))
	for _, e := range commits {
		if !fullCommit.MatchString(e.Name()) {
			continue
		}
		at := r
		at.Revision = e.Name()
		f, there := c.cached(at)
		if !there {
			continue
		}
		m := Cached{Reference: r.String(), Commit: f.Commit, Bytes: sizeOf(f.Weights), Weights: f.Weights}
		if f.Config != "" {
			if m.Architecture = architecture(f.Config); m.Architecture == "" {
				continue
			}
			m.Bytes += sizeOf(f.Config)
		}
		m.Revisions = repo.revisions(e.Name())
		if !slices.Contains(m.Revisions, reference.DefaultRevision) && e.Name() != unnamedCommit {
			m.Reference = at.String()
		}
		out = append(out, m)
	}
	return out
}

// isTimms reports whether timm saved a model. Its weights may not be here yet.
func (c *Client) isTimms(r reference.Reference) bool {
	for _, config := range glob(filepath.Join(c.repository(r.Repo).dir, "snapshots"), "*", reference.ConfigFile) {
		if architecture(config) != "" {
			return true
		}
	}
	return false
}

// revisions returns the branches and tags of a commit.
func (r repository) revisions(commit string) (out []string) {
	root := filepath.Join(r.dir, "refs")
	_ = filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // what cannot be read is left out
		}
		if name, err := filepath.Rel(root, path); err == nil && r.commit(filepath.ToSlash(name)) == commit {
			out = append(out, filepath.ToSlash(name))
		}
		return nil
	})
	return out
}

// architecture returns the name of the architecture in timm's config.json; "" for other files.
func architecture(config string) string {
	text, err := readSmall(config, mostConfig)
	if err != nil {
		return ""
	}
	var c struct {
		Architecture string `json:"architecture"`
	}
	if json.Unmarshal(text, &c) != nil {
		return ""
	}
	return c.Architecture
}

// glob returns the paths in a folder that match a pattern of names. The name of the folder may have
// any characters.
func glob(dir string, patterns ...string) (out []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if ok, _ := filepath.Match(patterns[0], e.Name()); !ok {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if len(patterns) == 1 {
			out = append(out, path)
		} else {
			out = append(out, glob(path, patterns[1:]...)...)
		}
	}
	return out
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
