package hub

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// A proxy that makes no connection is named, with what it says. Only what may pass is tried again.
func TestProxy(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		says   string
		asked  int32
	}{
		{"refuses", http.StatusForbidden, "refuses the connection (403 Forbidden)", 1},
		{"wants a password", http.StatusProxyAuthRequired, "wants a user and a password (407)", 1},
		{"is busy", http.StatusBadGateway, "refuses the connection (502 Bad Gateway)", attempts},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int32
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodConnect {
					asked.Add(1)
				}
				w.WriteHeader(c.status)
			}))
			defer proxy.Close()
			err := fetchThrough(t, proxy.URL)
			if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), c.says) ||
				!strings.Contains(err.Error(), "the proxy "+proxy.Listener.Addr().String()) ||
				strings.Contains(err.Error(), "secret") {
				t.Error(err)
			}
			if n := asked.Load(); n != c.asked {
				t.Errorf("it is asked %d times, want %d", n, c.asked)
			}
		})
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	if err := fetchThrough(t, gone.URL); err == nil || !strings.Contains(err.Error(), "the proxy: dial") {
		t.Errorf("no proxy: %v", err)
	}
}

// fetchThrough fetches a model of a hub through a proxy.
func fetchThrough(t *testing.T, proxy string) error {
	address, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword("me", "secret")
	c, _ := client(t, settingsOf(t, "https://hub.invalid"))
	c.files.Transport.(authorized).next.(*http.Transport).Proxy = http.ProxyURL(address)
	_, err = c.Fetch(context.Background(), ref)
	return err
}
