package hub

import (
	"context"
	"crypto/sha1" //nolint:gosec // of git, to find damage
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"fasternet/internal/disk"
)

// transfer is a download to a file that has a different name until it is complete.
type transfer struct {
	client *Client
	metadata
	want string // SHA-256 in hex from the user; "" for none
	path string // until the file is complete

	file *disk.File
	done int64     // bytes in the file
	sum  hash.Hash // their SHA-256
	git  hash.Hash // their SHA-1 as in git; nil if it does not matter
}

// resumable reports whether the download can go on from a part of the file: damage would be found, or
// the server can be asked for the rest of the same content.
func (t *transfer) resumable() bool {
	return t.checkable() || t.ref.URL != "" && t.validator != ""
}

// checkable reports whether a checksum would find damage.
func (t *transfer) checkable() bool {
	return t.want != "" || hexSHA256.MatchString(t.etag) || t.gitted()
}

// gitted reports whether the etag is git's checksum.
func (t *transfer) gitted() bool {
	return t.client.gits && t.ref.Repo != "" && t.size >= 0 && fullCommit.MatchString(t.etag)
}

// fetch gets the content and checks it. When it returns, the file at t.path is complete. After an
// error, the file has a part that can be resumed, or is gone.
func (t *transfer) fetch(ctx context.Context) (sum string, err error) {
	if err := t.client.room(t); err != nil {
		return "", err
	}
	if err := t.open(); err != nil {
		return "", err
	}
	began := t.done
	t.client.observer.Begin(t.name(), t.done, max(t.size, 0))
	err = t.client.again(ctx, attempts, func() (bool, error) {
		before := t.done
		err := t.attempt(ctx)
		return t.done >= before+1<<20, err
	})
	t.client.observer.End()
	if err == nil {
		err = t.verify()
	}
	if err == nil {
		err = t.written(t.file.Sync())
	}
	err = errors.Join(err, t.written(t.file.Close()))
	switch {
	case err == nil:
		return hex.EncodeToString(t.sum.Sum(nil)), nil
	case errors.Is(err, ErrDamaged) && began > 0:
		// The damage may be in the part that was already there.
		_ = disk.RemoveFile(t.path)
		t.client.observer.Note(fmt.Sprintf("%v; starting again", err))
		return t.fetch(ctx)
	case errors.Is(err, ErrDamaged) || !t.resumable() || t.done == 0:
		_ = disk.RemoveFile(t.path)
	}
	return "", err
}

func (t *transfer) name() string {
	if t.ref.URL != "" {
		return t.ref.String()
	}
	return path.Base(t.ref.File) + " of hf://" + t.ref.Repo
}

// open opens the file, and reads the part that is already there.
func (t *transfer) open() (err error) {
	if err := disk.MakeFolder(filepath.Dir(t.path)); err != nil {
		return t.written(err)
	}
	if t.resumable() {
		t.file, err = disk.AppendTo(t.path)
	} else {
		t.file, err = disk.CreateFile(t.path)
	}
	if err != nil {
		return t.written(err)
	}
	t.reset()
	if !t.resumable() {
		return nil
	}
	there, err := os.Open(t.path)
	if err != nil {
		return errors.Join(t.written(err), t.file.Close())
	}
	defer there.Close()
	if t.done, err = io.Copy(t.hashes(), there); err != nil {
		return errors.Join(t.written(err), t.file.Close())
	}
	if t.size >= 0 && t.done > t.size {
		return t.empty()
	}
	return nil
}

// reset starts the checksums.
func (t *transfer) reset() {
	t.done, t.sum, t.git = 0, sha256.New(), nil
	if t.gitted() {
		t.git = sha1.New() //nolint:gosec // see above
		fmt.Fprintf(t.git, "blob %d\x00", t.size)
	}
}

func (t *transfer) hashes() io.Writer {
	if t.git == nil {
		return t.sum
	}
	return io.MultiWriter(t.sum, t.git)
}

// empty truncates the file.
func (t *transfer) empty() error {
	if err := t.file.Close(); err != nil {
		return t.written(err)
	}
	t.reset()
	var err error
	t.file, err = disk.CreateFile(t.path)
	return t.written(err)
}

// attempt gets the rest, or as much of it as one answer has.
func (t *transfer) attempt(ctx context.Context) error {
	if t.size >= 0 && t.done == t.size {
		return nil
	}
	if !t.resumable() && t.done > 0 {
		if err := t.empty(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", t.ref, err)
	}
	if t.done > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", t.done))
		if !t.checkable() {
			request.Header.Set("If-Range", t.validator)
		}
	}
	response, err := t.client.send(t.client.files, request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := t.begins(response); err != nil {
		return err
	}
	return t.copy(response, watch(response.Body, t.client.settings.Timeout, cancel))
}

var contentRange = regexp.MustCompile(`^bytes (\d+)-(\d+)/(\d+|\*)$`)

// begins checks that an answer continues where the file ends. If the server starts at the
// beginning, so does the file.
func (t *transfer) begins(response *http.Response) error {
	if e := response.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return fmt.Errorf("%s: the server compresses the file (%.20q), although it was asked not to", t.ref, e)
	}
	if t.ref.Repo != "" && !t.checkable() && isPage(response.Header) {
		return t.client.notTheHub(response)
	}
	switch response.StatusCode {
	case http.StatusOK:
		if t.done > 0 {
			if err := t.empty(); err != nil {
				return err
			}
		}
		if n := response.ContentLength; n >= 0 && t.size >= 0 && n != t.size {
			return fmt.Errorf("%s: %w: the server sends %s, but the file has %s",
				t.ref, ErrDamaged, Bytes(n), Bytes(t.size))
		}
		return nil
	case http.StatusPartialContent:
		m := contentRange.FindStringSubmatch(response.Header.Get("Content-Range"))
		if m == nil ||
			m[1] != strconv.FormatInt(t.done, 10) ||
			t.size >= 0 && m[3] != "*" && m[3] != strconv.FormatInt(t.size, 10) {
			return t.askAgain(fmt.Errorf("%s: asked for the bytes from %d on, but the server sends %.60q",
				t.ref, t.done, response.Header.Get("Content-Range")))
		}
		return nil
	case http.StatusRequestedRangeNotSatisfiable:
		return t.askAgain(fmt.Errorf("%s: the server has no bytes from %d on", t.ref, t.done))
	}
	return t.client.refusal(t.ref, response)
}

// askAgain drops the part, and starts the download again.
func (t *transfer) askAgain(err error) error {
	if e := t.empty(); e != nil {
		return e
	}
	return temporary{err, 0}
}

// copy writes the rest of an answer.
func (t *transfer) copy(response *http.Response, body io.Reader) error {
	last := t.most
	if t.size >= 0 {
		last = t.size
	}
	buffer, hashes := make([]byte, 256<<10), t.hashes()
	for {
		n, err := body.Read(buffer)
		if t.done+int64(n) > last {
			return t.tooLong(last)
		}
		if n > 0 {
			if _, err := t.file.Write(buffer[:n]); err != nil {
				return t.written(err)
			}
			_, _ = hashes.Write(buffer[:n]) // a hash returns no error
			t.done += int64(n)
			t.client.observer.Step(t.done)
		}
		switch {
		case errors.Is(err, io.EOF) && (t.size < 0 || t.done == t.size):
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return temporary{fmt.Errorf("%s: the connection ended after %s of %s", t.ref, Bytes(t.done), t.total()), 0}
		case isTimeout(err):
			return temporary{fmt.Errorf("%s: no data for %s, after %s of %s",
				t.ref, t.client.settings.Timeout, Bytes(t.done), t.total()), 0}
		case errors.Is(err, context.Canceled):
			return err
		case err != nil:
			return temporary{fmt.Errorf("%s: the connection broke after %s of %s: %w",
				response.Request.URL.Host, Bytes(t.done), t.total(), inWords(err)), 0}
		}
	}
}

func (t *transfer) total() string {
	if t.size < 0 {
		return "an unknown size"
	}
	return Bytes(t.size)
}

func (t *transfer) tooLong(last int64) error {
	if err := t.empty(); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w: the server sends more than %s", t.ref, ErrDamaged, Bytes(last))
}

// verify compares size and checksums with the known ones.
func (t *transfer) verify() error {
	sum := hex.EncodeToString(t.sum.Sum(nil))
	switch {
	case t.size >= 0 && t.done != t.size:
		return fmt.Errorf("%s: %w: it has %s, want %s", t.ref, ErrDamaged, Bytes(t.done), Bytes(t.size))
	case t.done == 0:
		return fmt.Errorf("%s: %w: it is empty", t.ref, ErrDamaged)
	case t.want != "" && sum != t.want:
		return fmt.Errorf("%s: %w: its SHA-256 is %s, want %s", t.ref, ErrDamaged, sum, t.want)
	case hexSHA256.MatchString(t.etag) && sum != t.etag:
		return fmt.Errorf("%s: %w: its SHA-256 is %s, but the server says %s", t.ref, ErrDamaged, sum, t.etag)
	case t.git != nil && hex.EncodeToString(t.git.Sum(nil)) != t.etag:
		return fmt.Errorf("%s: %w: its SHA-1 is %x, but the server says %s", t.ref, ErrDamaged, t.git.Sum(nil), t.etag)
	}
	return nil
}

// ErrWrite says that the cache cannot be written.
var ErrWrite = errors.New("cannot be written")

// written says what to do about an error of the disk.
func (t *transfer) written(err error) error { return t.client.writing(t.path, t.done, t.size, err) }

func (c *Client) writing(path string, done, size int64, err error) error {
	dir := filepath.Dir(path)
	var where *fs.PathError
	if errors.As(err, &where) {
		err = where.Err
	}
	switch {
	case err == nil:
		return nil
	case isFull(err):
		text := ""
		if size > 0 {
			text = fmt.Sprintf(" after %s of %s", Bytes(done), Bytes(size))
		}
		return fmt.Errorf("%s %w: the disk is full%s: make room and run the same command again, "+
			"or set %s to a folder on another disk: %w", dir, ErrWrite, text, c.variable(path), syscall.ENOSPC)
	case errors.Is(err, disk.ErrNotPlain):
		return fmt.Errorf("%w: %w", ErrWrite, err)
	}
	return fmt.Errorf("%s %w: %w; set %s to another folder", dir, ErrWrite, err, c.variable(path))
}

// variable returns the environment variable that sets the cache of a path.
func (c *Client) variable(path string) string {
	if strings.HasPrefix(path, c.settings.URLCache+string(filepath.Separator)) {
		return "XDG_CACHE_HOME"
	}
	return "HF_HOME"
}

// room checks before a download whether the disk has room for it, if that is known.
func (c *Client) room(t *transfer) error {
	if t.size < 0 {
		return nil
	}
	dir := filepath.Dir(t.path)
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	there := int64(0)
	if info, err := os.Stat(t.path); err == nil {
		there = info.Size()
	}
	if free, known := c.free(dir); known && t.size-there > 0 && uint64(t.size-there) > free {
		return fmt.Errorf("%s needs %s, but the disk of %s has only %s: make room, "+
			"or set %s to a folder on another disk: %w",
			t.ref, Bytes(t.size-there), dir, Bytes(int64(min(free, 1<<62))), c.variable(t.path), syscall.ENOSPC)
	}
	return nil
}

// errStalled says that a server has stopped sending.
var errStalled = errors.New("the server has stopped sending")

// watched is a body that ends if no data arrives for a while.
type watched struct {
	body    io.Reader
	timer   *time.Timer
	limit   time.Duration
	stalled *atomic.Bool
}

func watch(body io.Reader, limit time.Duration, cancel context.CancelCauseFunc) *watched {
	w := &watched{body: body, limit: limit, stalled: &atomic.Bool{}}
	w.timer = time.AfterFunc(limit, func() {
		w.stalled.Store(true)
		cancel(errStalled)
	})
	return w
}

func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(w.limit)
	n, err := w.body.Read(p)
	w.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) && w.stalled.Load() {
		err = errStalled
	}
	return n, err
}

// isFull reports whether the disk, or the user's share of it, is full.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) ||
		errors.Is(err, syscall.EDQUOT) ||
		strings.Contains(err.Error(), "not enough space on the disk")
}
