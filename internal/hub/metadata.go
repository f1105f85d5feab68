package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"fasternet/internal/reference"
)

// The largest files to download, whatever a server says: weights, and descriptions, which may name
// the 21,843 classes of ImageNet-21k.
const (
	mostWeights = 16 << 30
	mostConfig  = 4 << 20
)

// metadata is what a server says about a file before the download. A file without an etag gets one
// from the time of its last change.
type metadata struct {
	ref    reference.Reference // with the file
	url    string              // the address of the content
	etag   string              // "" if unknown
	commit string              // on the hub; "" if unknown
	size   int64               // -1 if unknown
	most   int64               // download at most this many bytes

	// validator is what the server needs to continue the same content (If-Range); "" if it names
	// nothing exact enough.
	validator string
}

// blob returns the name of the file's content in the cache, if it is known before the content: the
// etag, as in Python. A server must not choose a name that leads elsewhere.
func (m metadata) blob() string {
	if m.etag == "" || blobName.MatchString(m.etag) && strings.Trim(m.etag, ".") != "" {
		return m.etag
	}
	sum := sha256.Sum256([]byte(m.etag))
	return hex.EncodeToString(sum[:])
}

var (
	fullCommit = regexp.MustCompile(`^[0-9a-f]{40}$`)
	hexSHA256  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

var blobName = regexp.MustCompile(`^[A-Za-z0-9._=-]{1,120}$`)

// address returns the address of a file on the hub.
func (c *Client) address(r reference.Reference) string {
	file := make([]string, 0, 4)
	for part := range strings.SplitSeq(r.File, "/") {
		file = append(file, url.PathEscape(part))
	}
	return c.settings.Endpoint + "/" + r.Repo + "/resolve/" + url.PathEscape(r.Revision) + "/" + strings.Join(file, "/")
}

// head asks, at most this many times, for the metadata of a file that may have this many bytes.
func (c *Client) head(ctx context.Context, r reference.Reference, most int64, tries int) (m metadata, err error) {
	m = metadata{ref: r, url: r.URL, most: most, size: -1}
	if r.URL == "" {
		m.url = c.address(r)
	}
	err = c.again(ctx, tries, func() (bool, error) {
		response, err := c.ask(ctx, r, m.url)
		if err != nil {
			return false, err
		}
		defer response.Body.Close()
		return false, c.read(&m, response)
	})
	return m, err
}

// ask sends a HEAD request, or, if the server does not know it, a GET request whose body is not read.
func (c *Client) ask(ctx context.Context, r reference.Reference, address string) (*http.Response, error) {
	client := c.heads
	if r.URL != "" {
		client = c.files
	}
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		request, err := http.NewRequestWithContext(ctx, method, address, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r, err)
		}
		response, err := c.send(client, request)
		if err != nil {
			return nil, err
		}
		if method == http.MethodGet ||
			response.StatusCode != http.StatusMethodNotAllowed && response.StatusCode != http.StatusNotImplemented {
			return response, nil
		}
		response.Body.Close()
	}
	panic("hub: no method is left") // the last method returns
}

// read takes the metadata from the headers of an answer.
func (c *Client) read(m *metadata, response *http.Response) error {
	redirect := response.StatusCode >= 300 && response.StatusCode < 400
	if response.StatusCode != http.StatusOK && !redirect {
		return c.refusal(m.ref, response)
	}
	h := response.Header
	m.etag = plainETag(h.Get("X-Linked-Etag"))
	m.validator = h.Get("ETag")
	if m.validator == "" || strings.HasPrefix(m.validator, "W/") {
		m.validator = h.Get("Last-Modified")
	}
	if m.etag == "" {
		m.etag = plainETag(h.Get("ETag"))
	}
	if changed, err := http.ParseTime(h.Get("Last-Modified")); err == nil && m.etag == "" && !redirect {
		m.etag = fmt.Sprintf("modified-%d-%s", changed.Unix(), h.Get("Content-Length"))
	}
	if m.commit = h.Get("X-Repo-Commit"); m.commit != "" && !fullCommit.MatchString(m.commit) {
		return fmt.Errorf("%s: the hub names a commit %.60q: want 40 hex digits", m.ref, m.commit)
	}
	size := h.Get("X-Linked-Size")
	if size == "" && !redirect {
		size = h.Get("Content-Length")
	}
	m.size = -1
	if size != "" {
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%s: the server gives a size of %.40q bytes", m.ref, size)
		}
		m.size = n
	}
	switch page := isPage(h); {
	case page && m.ref.URL != "":
		return fmt.Errorf("%s: the address leads to a web page, not to a file of weights", m.ref)
	case page && !redirect && m.commit == "": // a hub names the commit, even where it calls a file a page
		return c.notTheHub(response)
	}
	return m.checkSize()
}

// isPage says whether an answer is a web page, such as one that wants somebody to sign in.
func isPage(h http.Header) bool { return strings.HasPrefix(h.Get("Content-Type"), "text/html") }

// notTheHub returns the error of a web page in place of a file.
func (c *Client) notTheHub(response *http.Response) error {
	return fmt.Errorf("the hub %s %w: %s answers with a web page: sign in to the network if it wants that; "+
		"HF_ENDPOINT names another hub", c.settings.Endpoint, ErrUnreachable, response.Request.URL.Host)
}

// checkSize refuses a file that is too large for its kind.
func (m metadata) checkSize() error {
	switch {
	case m.size > m.most:
		return fmt.Errorf("%s: the server gives a size of %s, but the limit is %s", m.ref, Bytes(m.size), Bytes(m.most))
	case m.size == 0:
		return fmt.Errorf("%s: the file is empty", m.ref)
	}
	return nil
}

// plainETag returns an etag without its quotes, and without the mark of a weak one.
func plainETag(text string) string {
	return strings.Trim(strings.TrimPrefix(text, "W/"), `"`)
}

// Bytes writes a number of bytes for people.
func Bytes(n int64) string {
	switch v := float64(n); {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case v < 1e6:
		return fmt.Sprintf("%.1f kB", v/1e3)
	case v < 1e9:
		return fmt.Sprintf("%.1f MB", v/1e6)
	case v < 1e12:
		return fmt.Sprintf("%.1f GB", v/1e9)
	default:
		return fmt.Sprintf("%.4g TB", v/1e12)
	}
}
