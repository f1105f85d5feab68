package localhttp

import (
	"net"
	"net/http"
	"os"
	"strings"
)

// Guard lets GET and HEAD requests through that name this machine: by an address, as localhost, by
// its own name, or by the host that it listens at. An address is safe, because nobody can point it
// elsewhere.
func Guard(h http.Handler, listens string) http.Handler {
	own, err := os.Hostname()
	if err != nil {
		own = ""
	}
	loopback := net.ParseIP(listens)
	onlyLoopback := strings.EqualFold(listens, "localhost") || loopback != nil && loopback.IsLoopback()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		for _, h := range [][2]string{
			{"X-Content-Type-Options", "nosniff"},
			{"X-Frame-Options", "DENY"},
			{"Referrer-Policy", "no-referrer"},
			{"Cache-Control", "no-store"},
			{"Cross-Origin-Resource-Policy", "same-origin"}, {"Cross-Origin-Opener-Policy", "same-origin"},
			{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
		} {
			header.Set(h[0], h[1])
		}
		if !trusted(r.Host, listens, own, onlyLoopback) {
			http.Error(w, "unknown host: use the address that the program prints",
				http.StatusMisdirectedRequest)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			header.Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD are allowed", http.StatusMethodNotAllowed)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func trusted(asked, listens, own string, onlyLoopback bool) bool {
	host := asked
	if h, _, err := net.SplitHostPort(asked); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if ip := net.ParseIP(host); ip != nil {
		return !onlyLoopback || ip.IsLoopback()
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	return !onlyLoopback && host != "" && (strings.EqualFold(host, listens) || strings.EqualFold(host, own))
}
