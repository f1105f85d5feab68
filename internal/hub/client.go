package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"fasternet/internal/disk"
	"fasternet/internal/reference"
)

// Observer is told about downloads.
type Observer interface {
	// Begin says that a download begins: done of total bytes are already there. total is 0 if the
	// server does not say it.
	Begin(name string, done, total int64)
	// Step says how many bytes are there now.
	Step(done int64)
	// End says that the download has ended, with or without success.
	End()
	// Note is a line for the user.
	Note(text string)
}

// silent is an observer that ignores everything.
type silent struct{}

func (silent) Begin(string, int64, int64) {}
func (silent) Step(int64)                 {}
func (silent) End()                       {}
func (silent) Note(string)                {}

// Client talks to a hub and to other hosts, and keeps what it downloads.
type Client struct {
	settings Settings
	endpoint *url.URL
	observer Observer
	agent    string

	files *http.Client // follows redirects, to get content
	heads *http.Client // does not follow redirects to other hosts, since the hub's own answer is needed

	// gits says that the etag of a small file is its SHA-1 in git, as on the hub itself. On other
	// servers 40 hex digits may mean something else.
	gits bool

	pause func(context.Context, time.Duration) error
	free  func(dir string) (bytes uint64, known bool)
}

// NewClient makes a client. version is the version of the program, for servers that count; the
// observer may be nil. Proxies come from the environment: HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
func NewClient(s Settings, version string, o Observer) (*Client, error) {
	endpoint, err := url.Parse(s.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("HF_ENDPOINT: %w", err)
	}
	if o == nil {
		o = silent{}
	}
	c := &Client{
		settings: s,
		endpoint: endpoint,
		observer: o,
		agent:    "fasternet-train/" + version,
		gits:     reference.IsSite(endpoint.Hostname()),
		pause:    wait,
		free:     disk.FreeSpace,
	}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: proxyAnswer,
		DialContext:            (&net.Dialer{Timeout: s.Timeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    s.Timeout,
		ResponseHeaderTimeout:  s.Timeout,
		MaxIdleConns:           4, IdleConnTimeout: 30 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		DisableCompression:     true, // so that sizes and ranges fit the file
		ForceAttemptHTTP2:      true,
	}
	to := authorized{c, transport}
	c.files = &http.Client{Transport: to, CheckRedirect: follow}
	c.heads = &http.Client{Transport: to, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.Response != nil && r.Response.Header.Get("X-Linked-Etag") != "" || !sameHost(r.URL, via[0].URL) {
			return http.ErrUseLastResponse
		}
		return follow(r, via)
	}}
	return c, nil
}

// authorized adds the token to requests to the hub, and to no others. It looks at each request, so
// that no redirect can take the token along.
type authorized struct {
	client *Client
	next   http.RoundTripper
}

func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for _, name := range []string{"Authorization", "Referer", "Cookie"} {
		r.Header.Del(name)
	}
	if t := a.client.settings.Token; t != "" && sameHost(r.URL, a.client.endpoint) {
		r.Header.Set("Authorization", "Bearer "+t)
	}
	r.Header.Set("User-Agent", a.client.agent)
	r.Header.Set("Accept-Encoding", "identity")
	return a.next.RoundTrip(r)
}

// sameHost reports whether two addresses have the same scheme, host and port.
func sameHost(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

const mostRedirects = 10

// errCircles says that a server redirects without an end.
var errCircles = fmt.Errorf("the server redirects more than %d times", mostRedirects)

// errDowngrade says that a server redirects from https to http.
var errDowngrade = errors.New("the server redirects to an address without encryption")

func follow(r *http.Request, via []*http.Request) error {
	switch {
	case len(via) >= mostRedirects:
		return errCircles
	case r.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https":
		return errDowngrade
	}
	return nil
}

// wait waits for a time, or until the context ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// attempts is how often to try what may work the next time.
const attempts = 5

// delay returns how long to wait before attempt n, from 1: half a second, doubled each time, with
// some randomness so that many clients do not return at once. A server may ask for longer, up to a
// minute.
func delay(n int, asked time.Duration) time.Duration {
	d := 500 * time.Millisecond << (n - 1)
	d += time.Duration(rand.Int64N(int64(d / 4)))
	return max(d, min(asked, time.Minute))
}

// temporary is an error that may not occur the next time.
type temporary struct {
	error
	after time.Duration // the pause that the server asks for
}

func (t temporary) Unwrap() error { return t.error }

// again calls work until it returns no temporary error, at most tries times. If work reports
// progress, the count begins again.
func (c *Client) again(ctx context.Context, tries int, work func() (progress bool, err error)) error {
	failed := 0
	for total := 1; ; total++ {
		progress, err := work()
		var t temporary
		if err == nil || !errors.As(err, &t) || ctx.Err() != nil {
			return endOf(ctx, err)
		}
		if failed++; progress {
			failed = 1
		}
		if failed == tries || total == 20*tries {
			if total == 1 {
				return err
			}
			return fmt.Errorf("%w (after %d attempts)", err, total)
		}
		d := delay(failed, t.after)
		c.observer.Note(fmt.Sprintf("%v; trying again in %s", err, d.Round(100*time.Millisecond)))
		if err := c.pause(ctx, d); err != nil {
			return err
		}
	}
}

// endOf returns the reason why a context has ended, or else err.
func endOf(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// send sends a request. Trouble with the connection is a temporary error, unless no connection was
// made at all.
func (c *Client) send(client *http.Client, r *http.Request) (*http.Response, error) {
	response, err := client.Do(r) //nolint:bodyclose // the caller's
	if err != nil {
		return nil, c.unreachable(r.URL, err)
	}
	return response, nil
}

// ErrUnreachable says that a host does not answer.
var ErrUnreachable = errors.New("cannot be reached")

// unreachable returns the error of a request that got no answer.
func (c *Client) unreachable(u *url.URL, err error) error {
	var outer *url.Error
	for errors.As(err, &outer) { // it contains the whole URL, which may be signed
		err = outer.Err
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, errDowngrade) {
		return fmt.Errorf("%s: %w", reference.Shown(u.String()), err)
	}
	where := u.Scheme + "://" + u.Host
	help := "check the network, or the proxy in HTTPS_PROXY"
	if sameHost(u, c.endpoint) {
		where = "the hub " + where
		help += "; HF_ENDPOINT names another hub"
	}
	text := fmt.Errorf("%s %w: %w: %s", where, ErrUnreachable, inWords(err), help)
	var dial *net.OpError
	noConnection := errors.As(err, &dial) && (dial.Op == "dial" || dial.Op == proxyConnect)
	var proxy *proxyRefusal
	if noConnection || errors.As(err, &proxy) && !mayPass(proxy.status) ||
		errors.Is(err, errCircles) ||
		errors.As(err, new(*net.DNSError)) ||
		errors.As(err, new(*tls.CertificateVerificationError)) ||
		errors.As(err, new(tls.RecordHeaderError)) {
		return text // another attempt would not help
	}
	return temporary{text, 0}
}

// inWords returns a network error without addresses.
func inWords(err error) error {
	var name *net.DNSError
	var dial *net.OpError
	switch {
	case errors.As(err, &name):
		return fmt.Errorf("the host %s is not known", name.Name)
	case isTimeout(err):
		return errors.New("no answer in time")
	case errors.As(err, &dial) && dial.Op == proxyConnect:
		return fmt.Errorf("the proxy: %w", dial.Err)
	case errors.As(err, &dial):
		return dial.Err
	}
	return err
}

// proxyConnect is the Op of a [net.OpError] of a proxy.
const proxyConnect = "proxyconnect"

// proxyRefusal is the error of a proxy that makes no connection to a host.
type proxyRefusal struct {
	proxy  string // its host
	status int
}

func (p *proxyRefusal) Error() string {
	if p.status == http.StatusProxyAuthRequired {
		return fmt.Sprintf("the proxy %s wants a user and a password (407), as in http://USER:PASSWORD@%[1]s", p.proxy)
	}
	return fmt.Sprintf("the proxy %s refuses the connection (%d %s)", p.proxy, p.status, http.StatusText(p.status))
}

// proxyAnswer is the error of a proxy's answer, if it has one.
func proxyAnswer(_ context.Context, proxy *url.URL, _ *http.Request, response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyRefusal{proxy.Host, response.StatusCode}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, errStalled) || errors.As(err, &t) && t.Timeout()
}

// retryAfter returns how long a server asks to wait.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, 3600)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
