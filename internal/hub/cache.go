package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fasternet/internal/disk"

	"github.com/gofrs/flock"
)

// repository is the folder of a model in the cache of Python's huggingface_hub:
//
//	models--ORG--NAME/blobs/ETAG              the content of files
//	models--ORG--NAME/snapshots/COMMIT/FILE   links to it
//	models--ORG--NAME/refs/REVISION           the commit of a branch or a tag
//	.locks/models--ORG--NAME/ETAG.lock        held during a download of the content
type repository struct {
	dir   string
	locks string
}

func (c *Client) repository(repo string) repository {
	name := "models--" + strings.ReplaceAll(repo, "/", "--")
	return repository{filepath.Join(c.settings.Cache, name), filepath.Join(c.settings.Cache, ".locks", name)}
}

func (r repository) blob(name string) string { return filepath.Join(r.dir, "blobs", name) }

func (r repository) snapshot(commit, file string) string {
	return filepath.Join(r.dir, "snapshots", commit, filepath.FromSlash(file))
}

// commit returns the commit of a revision, if the cache knows it, or "".
func (r repository) commit(revision string) string {
	if fullCommit.MatchString(revision) {
		return revision
	}
	text, err := readSmall(filepath.Join(r.dir, "refs", filepath.FromSlash(revision)), 100)
	if err != nil {
		return ""
	}
	commit := strings.TrimSpace(string(text))
	if !fullCommit.MatchString(commit) && commit != unnamedCommit {
		return ""
	}
	return commit
}

// has reports whether a snapshot has a file and its content.
func (r repository) has(commit, file string) bool {
	info, err := os.Stat(r.snapshot(commit, file))
	return err == nil && info.Mode().IsRegular() && info.Size() > 0
}

// files returns the names of the files of a snapshot that are not in folders.
func (r repository) files(commit string) (names []string) {
	entries, _ := os.ReadDir(filepath.Join(r.dir, "snapshots", commit)) // the folder may not exist
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// setCommit stores the commit of a revision. Call it after the weights are there: until then the
// revision leads to the older ones.
func (r repository) setCommit(revision, commit string) error {
	if revision == commit || r.commit(revision) == commit {
		return nil
	}
	path := filepath.Join(r.dir, "refs", filepath.FromSlash(revision))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return replace(path, []byte(commit))
}

// replace writes a small file under another name, and then renames it.
func replace(path string, content []byte) error {
	tmp := passing(path)
	f, err := disk.CreateFile(tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = disk.RenameFile(tmp, path)
	}
	if err != nil {
		_ = disk.RemoveFile(tmp)
	}
	return err
}

// passing returns a temporary name for a file that no other process uses.
func passing(path string) string { return fmt.Sprintf("%s.%08x.tmp", path, rand.Uint32()) }

// link gives a file of a snapshot the content of a blob: by a relative link, as Python does, or if
// the system has none, by a second name or a copy.
func (r repository) link(commit, file, blob string) error {
	path := r.snapshot(commit, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	target, err := filepath.Rel(filepath.Dir(path), r.blob(blob))
	if err != nil {
		return err
	}
	tmp := passing(path)
	if os.Symlink(target, tmp) != nil && os.Link(r.blob(blob), tmp) != nil {
		if err := copyFile(r.blob(blob), tmp); err != nil {
			return errors.Join(err, os.Remove(tmp))
		}
	}
	if err := disk.RenameFile(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := disk.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := disk.CreateFile(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// lock waits for the right to download a blob, which only one process has at a time.
func (c *Client) lock(ctx context.Context, path, what string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	l := flock.New(path, flock.SetPermissions(0o666)) // without the umask: the cache may be shared
	held, err := l.TryLock()
	if err == nil && !held {
		c.observer.Note(fmt.Sprintf("waiting for another process that downloads %s", what))
		held, err = l.TryLockContext(ctx, 200*time.Millisecond)
	}
	if err != nil {
		return nil, err
	}
	if !held {
		return nil, fmt.Errorf("%s: cannot be locked", path)
	}
	return func() { _ = l.Unlock() }, nil // the end of the process unlocks it, too
}

// keep brings a file of the hub into the cache, unless it is already there, and returns its path in
// the snapshot.
func (c *Client) keep(ctx context.Context, m metadata) (string, error) {
	r := c.repository(m.ref.Repo)
	commit := m.commit
	path := r.snapshot(commit, m.ref.File)
	if current(path, m) {
		return path, nil
	}
	failed := func(err error) error { return c.writing(filepath.Join(r.dir, "x"), 0, 0, err) }
	name := m.blob()
	if name == "" {
		name = "unnamed-" + commit + "-" + strings.ReplaceAll(m.ref.File, "/", "-")
	}
	unlock, err := c.lock(ctx, filepath.Join(r.locks, name+".lock"), m.ref.String())
	if errors.Is(err, context.Canceled) {
		return "", err
	}
	if err != nil {
		return "", failed(err)
	}
	defer unlock()
	if m.etag == "" || !currentBlob(r.blob(name), m) {
		t := transfer{client: c, metadata: m, path: r.blob(name) + ".incomplete"}
		sum, err := t.fetch(ctx)
		if err != nil {
			return "", err
		}
		from := t.path
		if m.etag == "" {
			name = sum
		}
		if err := disk.RenameFile(from, r.blob(name)); err != nil {
			return "", failed(err)
		}
		if err := disk.SyncFolder(filepath.Dir(r.blob(name))); err != nil {
			return "", failed(err)
		}
	}
	if err := r.link(commit, m.ref.File, name); err != nil {
		return "", failed(err)
	}
	return path, nil
}

// current reports whether a file of a snapshot has the content that the hub has now.
func current(path string, m metadata) bool {
	if m.etag == "" || !currentBlob(path, m) {
		return false
	}
	if m.commit != unnamedCommit {
		return true // the content of a commit does not change
	}
	target, err := os.Readlink(path)
	return err == nil && filepath.Base(target) == m.blob()
}

// currentBlob reports whether a blob is complete. Its writer may not have checked the size.
func currentBlob(path string, m metadata) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && (m.size < 0 || info.Size() == m.size)
}

// isMissing reports whether the error says that a file does not exist.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
