package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"time"

	"fasternet/internal/disk"
	"fasternet/internal/reference"
)

// place is where a file from a URL is kept: in its own folder, under its own name, next to a file
// .origin that says where it comes from.
type place struct{ dir, path string }

// origin says where a file comes from.
type origin struct {
	URL    string    `json:"url"`
	ETag   string    `json:"etag,omitempty"`
	Size   int64     `json:"size"`
	SHA256 string    `json:"sha256"`
	Date   time.Time `json:"date"`
}

func (c *Client) place(r reference.Reference) place {
	sum := sha256.Sum256([]byte(r.URL))
	dir := filepath.Join(c.settings.URLCache, hex.EncodeToString(sum[:8]))
	name := "weights"
	if u, err := url.Parse(r.URL); err == nil {
		name = path.Base(u.Path)
	}
	return place{dir, filepath.Join(dir, name)}
}

const originEnding = ".origin"

// origin says where the file comes from; the zero value if unknown.
func (p place) origin() (o origin) {
	text, err := readSmall(p.path+originEnding, 64<<10)
	if err != nil || json.Unmarshal(text, &o) != nil {
		return origin{}
	}
	return o
}

// whole reports whether the file is complete.
func (p place) whole() bool {
	o := p.origin()
	info, err := os.Stat(p.path)
	return err == nil && info.Mode().IsRegular() && o.SHA256 != "" && info.Size() == o.Size
}

// current reports whether the file is what the server has now. If the server does not say it, the
// whole file is asked for.
func (p place) current(m metadata) bool {
	o := p.origin()
	return p.whole() && m.etag != "" && o.ETag == m.etag && (m.size < 0 || o.Size == m.size)
}

func (p place) fetched(r reference.Reference) Fetched {
	f := Fetched{Reference: r, Weights: p.path}
	if config := filepath.Join(p.dir, reference.ConfigFile); (place{p.dir, config}).whole() {
		f.Config = config
	}
	return f
}

// store downloads the file. The caller holds the lock.
func (p place) store(ctx context.Context, c *Client, m metadata, want string) error {
	failed := func(err error) error { return c.writing(p.path, 0, 0, err) }
	// The part of another version has a different name, so it is not resumed.
	version := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", m.etag, m.size, want))
	t := transfer{
		client:   c,
		metadata: m,
		want:     want,
		path:     p.path + "." + hex.EncodeToString(version[:4]) + ".incomplete",
	}
	sum, err := t.fetch(ctx)
	if err != nil {
		return err
	}
	info, err := os.Stat(t.path)
	if err != nil {
		return failed(err)
	}
	text, err := json.Marshal(origin{m.url, m.etag, info.Size(), sum, time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return failed(err)
	}
	// In between, the file has no valid origin, so it does not count as complete.
	if err := os.Remove(p.path + originEnding); err != nil && !isMissing(err) {
		return failed(err)
	}
	if err := disk.RenameFile(t.path, p.path); err != nil {
		return failed(err)
	}
	if err := replace(p.path+originEnding, text); err != nil {
		return failed(err)
	}
	return nil
}
