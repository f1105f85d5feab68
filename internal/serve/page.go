package serve

import (
	"embed"
	"net/http"
)

//go:embed page
var pageFiles embed.FS

// pages serves the page for dropped images. It contains nothing that the token protects, so it needs
// no token; the requests of its script do.
func (s *Server) pages(open func(pattern string, h http.HandlerFunc)) {
	for _, f := range []struct{ at, name, kind string }{
		{"GET /{$}", "index.html", "text/html; charset=utf-8"},
		{"GET /page.css", "page.css", "text/css; charset=utf-8"},
		{"GET /page.js", "page.js", "text/javascript; charset=utf-8"},
	} {
		open(f.at, func(w http.ResponseWriter, _ *http.Request) {
			content, err := pageFiles.ReadFile("page/" + f.name)
			if err != nil {
				refuse(w, err)
				return
			}
			h := w.Header()
			h.Set("Content-Type", f.kind)
			h.Set("Content-Security-Policy",
				"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
					"img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
			h.Set("X-Frame-Options", "DENY")
			h.Set("Referrer-Policy", "no-referrer")
			_, _ = w.Write(content) // the client may be gone
		})
	}
}
